// beans PORT JOBS PRODUCERS CONSUMERS: jobs through beanstalkd. Prints the seconds from the first
// put to the last delete.
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

type client struct {
	conn net.Conn
	in   *bufio.Reader
}

func dial(port string) *client {
	conn, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		fail(err)
	}
	return &client{conn, bufio.NewReader(conn)}
}

func fail(what interface{}) {
	fmt.Fprintln(os.Stderr, "beans:", what)
	os.Exit(1)
}

func (c *client) ask(command, wanted string) string {
	if _, err := c.conn.Write([]byte(command)); err != nil {
		fail(err)
	}
	line, err := c.in.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, wanted) {
		fail(line)
	}
	return line
}

func produce(port string, jobs int, wait *sync.WaitGroup) {
	defer wait.Done()
	c := dial(port)
	for i := 0; i < jobs; i++ {
		c.ask("put 0 0 60 6\r\n123456\r\n", "INSERTED")
	}
}

func consume(port string, jobs int, wait *sync.WaitGroup) {
	defer wait.Done()
	c := dial(port)
	for i := 0; i < jobs; i++ {
		words := strings.Fields(c.ask("reserve\r\n", "RESERVED"))
		if _, err := c.in.ReadString('\n'); err != nil {
			fail(err)
		}
		c.ask("delete "+words[1]+"\r\n", "DELETED")
	}
}

// share is how many of `jobs` the i-th of n does.
func share(jobs, i, n int) int {
	return jobs*(i+1)/n - jobs*i/n
}

func main() {
	jobs, _ := strconv.Atoi(os.Args[2])
	producers, _ := strconv.Atoi(os.Args[3])
	consumers, _ := strconv.Atoi(os.Args[4])
	var wait sync.WaitGroup
	wait.Add(producers + consumers)
	began := time.Now()
	for i := 0; i < consumers; i++ {
		go consume(os.Args[1], share(jobs, i, consumers), &wait)
	}
	for i := 0; i < producers; i++ {
		go produce(os.Args[1], share(jobs, i, producers), &wait)
	}
	wait.Wait()
	fmt.Printf("%.6f\n", time.Since(began).Seconds())
}
