// For record.sh: moves and changes mappings as a program may, and says which stayed where they were.
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

static char *area(size_t bytes) {
  return mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static char *changed(const char *what, char *from, size_t old, size_t size) {
  from[old - 1] = 7;
  from[0] = 5;
  char *const to = mremap(from, old, size, MREMAP_MAYMOVE);
  if (to == MAP_FAILED) {
    printf("%s: failed\n", what);
    return from;
  }
  const char last = to[(size < old ? size : old) - 1];
  to[size - 1] = 1;
  printf("%s: %s, %d %d\n", what, to == from ? "stays" : "moves", to[0], size < old ? 7 : last);
  return to;
}

int main(void) {
  const size_t unit = 1 << 20;
  area(unit);
  char *at = area(8 * unit);
  at = changed("shrinks", at, 8 * unit, 4 * unit);
  at = changed("grows into what it had", at, 4 * unit, 6 * unit);
  char *const below = area(unit);
  printf("the next one: %s\n", below < at ? "below" : "above");
  at = changed("grows where another is", at, 6 * unit, 32 * unit);
  at = changed("shrinks to a page", at, 32 * unit, 4096);
  at = changed("grows by a page", at, 4096, 2 * 4096);
  changed("is large", at, 2 * 4096, 16 * unit);
  munmap(below, unit);
  printf("%d\n", area(unit) != MAP_FAILED);
  return 0;
}
