// executor pool|spawn noop|sleep|latency JOBS [WORKERS]: the classic pool of goroutines, or a
// goroutine a task. noop and sleep (10 ms a task) print nothing: the process is timed from outside.
// latency prints one line for each task: nanoseconds from the send to the start.
package main

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

type task struct {
	run func()
}

type pool struct {
	tasks chan task
	wait  sync.WaitGroup
}

func (t task) protected() {
	defer func() {
		if r := recover(); r != nil {
			fmt.Fprintln(os.Stderr, r)
		}
	}()
	t.run()
}

func newPool(workers int) *pool {
	p := &pool{tasks: make(chan task, 1024)}
	for i := 0; i < workers; i++ {
		go func() {
			for t := range p.tasks {
				t.protected()
				p.wait.Done()
			}
		}()
	}
	return p
}

func (p *pool) submit(f func()) {
	p.wait.Add(1)
	p.tasks <- task{f}
}

func spawn(wait *sync.WaitGroup, f func()) {
	wait.Add(1)
	go func() {
		defer wait.Done()
		task{f}.protected()
	}()
}

func main() {
	jobs, _ := strconv.Atoi(os.Args[3])
	workers := 2
	if len(os.Args) > 4 {
		workers, _ = strconv.Atoi(os.Args[4])
	}
	if os.Args[2] == "latency" {
		latency(jobs, workers)
		return
	}
	var counter, sum int64
	work := func(i int) func() {
		return func() {
			atomic.AddInt64(&counter, 1)
			if i < 0 {
				atomic.AddInt64(&sum, int64(i))
			}
		}
	}
	if os.Args[2] == "sleep" {
		work = func(i int) func() {
			return func() {
				time.Sleep(10 * time.Millisecond)
				atomic.AddInt64(&counter, 1)
			}
		}
	}
	if os.Args[1] == "pool" {
		p := newPool(workers)
		for i := 0; i < jobs; i++ {
			p.submit(work(i))
		}
		p.wait.Wait()
	} else {
		var wait sync.WaitGroup
		for i := 0; i < jobs; i++ {
			spawn(&wait, work(i))
		}
		wait.Wait()
	}
	if counter != int64(jobs) {
		fmt.Fprintln(os.Stderr, "lost tasks:", int64(jobs)-counter)
		os.Exit(1)
	}
}

// Each task is sent when all goroutines have been idle for a millisecond.
func latency(jobs, workers int) {
	p := newPool(workers)
	took := make([]int64, jobs)
	for i := 0; i < jobs; i++ {
		time.Sleep(time.Millisecond)
		i, sent := i, time.Now()
		p.submit(func() { took[i] = time.Since(sent).Nanoseconds() })
	}
	p.wait.Wait()
	for _, ns := range took {
		fmt.Println(ns)
	}
}
