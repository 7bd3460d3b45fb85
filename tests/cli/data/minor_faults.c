// For record.sh: runs a program at places that are not random and without transparent huge pages, and
// says how many minor faults the kernel counted for it. Its output is lost.
//
//   minor_faults PROGRAM [ARGUMENT]...
//
// Without a program: whether the kernel maps one page of zeros where untouched memory is read (some
// virtual machines' does not), as kernel.zero_page wants it.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static long faults(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt;
}

static int zero_page(void) {
  enum { kPages = 256, kPage = 4096 };
  volatile char *const at =
      mmap(NULL, kPages * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) return 1;
  for (int i = 0; i < kPages; ++i)
    (void)at[i * kPage];
  const long before = faults();
  for (int i = 0; i < kPages; ++i)
    at[i * kPage] = 1;
  puts(faults() - before >= kPages / 2 ? "true" : "false");
  return 0;
}

int main(int argc, char **argv) {
  personality(ADDR_NO_RANDOMIZE);
  prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
  if (argc < 2) return zero_page();
  const int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
  // Not fork: faults of the copy would be the program's.
  const pid_t child = vfork();
  if (child == 0) {
    dup2(nothing, 1);
    execv(argv[1], argv + 1);
    _exit(127);
  }
  struct rusage usage;
  int status = 0;
  if (wait4(child, &status, 0, &usage) != child || status != 0) return 1;
  printf("%ld\n", usage.ru_minflt);
  return 0;
}
