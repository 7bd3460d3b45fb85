// For record.sh: runs a program at places that are not random and without transparent huge pages, and
// says how many minor faults the kernel counted for it. Its output is lost.
//
//   minor_faults PROGRAM [ARGUMENT]...
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  personality(ADDR_NO_RANDOMIZE);
  prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
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
