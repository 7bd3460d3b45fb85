// For tests/cli/record_isas.sh: does what can be counted by hand, and says where.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { kZeroed = 40000, kAligned = 65536, kDepth = 200, kMapped = 3 << 16 };

static volatile long probe = 1;

// One load of `probe` and one frame for each level.
static long __attribute__((noinline)) descend(long levels) {
  const long one = probe;
  const long below = levels == 0 ? 0 : descend(levels - 1);
  return below + one;
}

int main(void) {
  char *const zeroed = aligned_alloc(kAligned, kAligned);
  memset(zeroed, 0, kZeroed);
  const long levels = descend(kDepth);
  char *const mapped =
      mmap(NULL, kMapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (zeroed == NULL || mapped == MAP_FAILED || mapped[kMapped - 1] + zeroed[kZeroed - 1] != 0)
    return 1;
  if (munmap(mapped, kMapped) != 0) return 2;
  const pid_t child = fork();
  if (child == 0) _exit(descend(9) == 10 ? 7 : 8);
  int status = 0;
  if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 7)
    return 3;
  printf("%ju %ju %ju %ld\n", (uintmax_t)(uintptr_t)zeroed, (uintmax_t)(uintptr_t)&probe,
         (uintmax_t)(uintptr_t)mapped, levels);
  return 0;
}
