// For tests/cli/record_isas.sh: does what can be counted by hand, and says where.
#define _DEFAULT_SOURCE
#include <signal.h>
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

// A function pointer of the older ABI of 64-bit PowerPC is of a descriptor, ARM's may have its lowest
// bit set.
static uintptr_t code_of(uintptr_t function) {
#if defined(__powerpc64__) && (!defined(_CALL_ELF) || _CALL_ELF != 2)
  return *(const uintptr_t *)function;
#elif defined(__arm__)
  return function & ~(uintptr_t)1;
#else
  return function;
#endif
}

// Three stores in a row. Of faulty() the second finds a page it may not write to: as often as it is
// called the handler allows it and the instruction is repeated, at last nobody does.
struct places {
  volatile long *first, *second, *third;
};
static void __attribute__((noinline, noclone)) calm(const struct places *at, long value) {
  *at->first = value;
  *at->second = value + 1;
  *at->third = value + 2;
}
static void __attribute__((noinline, noclone)) faulty(const struct places *at, long value) {
  *at->first = value;
  *at->second = value + 1;
  *at->third = value + 2;
}
enum { kFaults = 5, kPage = 8192 };
static char *guarded;
static volatile sig_atomic_t handled;
static void on_fault(int signal) {
  (void)signal;
  ++handled;
  mprotect(guarded, kPage, PROT_READ | PROT_WRITE);
}
static int fault(void) {
  static volatile long first, third;
  guarded = mmap(NULL, kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (guarded == MAP_FAILED) return 4;
  const struct places at = {&first, (volatile long *)guarded, &third};
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_fault;
  sigaction(SIGSEGV, &action, NULL);
  for (long i = 0; i < kFaults; ++i) {
    mprotect(guarded, kPage, PROT_READ);
    faulty(&at, i);
    if (handled != i + 1 || first != i || third != i + 2) return 5;
    calm(&at, i);
  }
  mprotect(guarded, kPage, PROT_READ);
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGSEGV, SIG_DFL);
    faulty(&at, 9);
    _exit(0);
  }
  int status = 0;
  if (waitpid(child, &status, 0) != child || !WIFSIGNALED(status) || WTERMSIG(status) != SIGSEGV)
    return 6;
  return 0;
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
  const int failed = fault();
  printf("%ju %ju %ju %ju %ju %ld\n", (uintmax_t)(uintptr_t)zeroed, (uintmax_t)(uintptr_t)&probe,
         (uintmax_t)(uintptr_t)mapped, (uintmax_t)code_of((uintptr_t)calm),
         (uintmax_t)code_of((uintptr_t)faulty), levels);
  return failed;
}
