/* Memory for neap's own bookkeeping: never NULL, the process aborts when there is none (said once,
 * here). Memory that scripts ask for goes through the Lua allocator instead and fails the script.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

_Noreturn void mem_none(void);             /* says that there is none, and aborts */
void *mem_alloc(size_t size);              /* uninitialised */
void *mem_zero(size_t count, size_t size); /* zeroed; count * size is checked */
void *mem_grow(void *old, size_t count, size_t size);
char *mem_text(const char *text); /* copy; NULL stays NULL */
void *mem_copy(const void *data, size_t size);
char *mem_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
