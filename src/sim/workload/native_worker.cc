#include "sim/workload/native_worker.h"

#include <alloca.h>
#include <cerrno>
#include <csetjmp>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "kernel/linux_abi.h"

// Since Linux 5.14; glibc may be older.
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

namespace mmusim::sim::workload {

namespace {

// What a touch that the kernel refuses comes back to.
sigjmp_buf refused;

extern "C" void on_refused(int /*signal*/) {
  siglongjmp(refused, 1);
}

// Whether the access was allowed.
bool access_byte(uint64_t address, bool write) {
  volatile char* byte = reinterpret_cast<volatile char*>(address);  // NOLINT: that is the point
  if (sigsetjmp(refused, 0) != 0) return false;
  if (write)
    *byte = 1;
  else
    static_cast<void>(*byte);
  return true;
}

constexpr uint64_t kMostOfOwn = uint64_t{1} << 32;

void* pointer(VirtAddr va) {
  return reinterpret_cast<void*>(va.value());  // NOLINT: that is the point
}

int64_t result_of(int64_t system_call) {
  return system_call < 0 ? -int64_t{errno} : 0;
}

int64_t minor_faults() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt;
}

}  // namespace

Channel Channel::make() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0)
    throw Error("native", fmt::format("cannot make a pipe: {}", std::strerror(errno)));
  return {ends[0], ends[1]};
}

void Channel::close_both() const {
  close(read_end);
  close(write_end);
}

bool Channel::put(const void* bytes, size_t size) const {
  ssize_t n = -1;
  do {
    n = write(write_end, bytes, size);
  } while (n < 0 && errno == EINTR);
  return n == static_cast<ssize_t>(size);
}

bool Channel::get(void* bytes, size_t size) const {
  ssize_t n = -1;
  do {
    n = read(read_end, bytes, size);
  } while (n < 0 && errno == EINTR);
  return n == static_cast<ssize_t>(size);
}

Worker::Worker(const Plan& plan, const std::vector<int>& files,
               const std::vector<Channel>& commands, const Channel& results)
    : plan_(plan),
      files_(files),
      commands_(commands),
      results_(results),
      children_(plan.processes.size()) {}

void Worker::run(unsigned index) {
  index_ = index;
  // Dies with the coordinator; no huge pages; one CPU, so that RSS is exact.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<size_t>(sched_getcpu()), &one);
  sched_setaffinity(0, sizeof one, &one);
  struct sigaction action {};
  action.sa_handler = on_refused;
  action.sa_flags = SA_NODEFER;
  sigaction(SIGSEGV, &action, nullptr);
  sigaction(SIGBUS, &action, nullptr);
  signal(SIGINT, SIG_DFL);
  signal(SIGTERM, SIG_DFL);
  // More stack than will ever be needed, so that its area never grows.
  constexpr size_t kStack = 256 << 10;
  std::memset(alloca(kStack), 1, kStack);
  serve();
  _exit(0);
}

void Worker::serve() {
  fault_in_own_memory();
  answer({Answer::Kind::Done, 0, 0, 0, {}});
  Command command;
  while (commands_[index_].receive(command) && command.first != command.last) {
    for (uint64_t i = command.first; i < command.last; ++i)
      step(i);
    answer({Answer::Kind::Done, 0, 0, 0, {}});
  }
}

void Worker::step(uint64_t number) {
  const Step& step = plan_.steps[number];
  if (step.kind == Step::Kind::Begin || step.kind == Step::Kind::End) {
    answer({Answer::Kind::Counted, 0, number, 0, count()});
    return;
  }
  const int64_t result = perform(step, number);
  if (result != 0) answer({Answer::Kind::Failed, 0, number, result, {}});
}

int64_t Worker::perform(const Step& step, uint64_t number) {
  void* const start = pointer(step.range.begin);
  const uint64_t bytes = step.range.bytes();
  switch (step.kind) {
    case Step::Kind::Map: {
      const int fd = step.file == 0 ? -1 : files_[step.file - 1];
      const void* at = mmap(start, bytes, static_cast<int>(step.prot),
                            static_cast<int>(step.flags | kernel::abi::kMapFixedNoReplace), fd, 0);
      return at == MAP_FAILED ? -int64_t{errno} : 0;
    }
    case Step::Kind::Unmap:
      return result_of(munmap(start, bytes));
    case Step::Kind::Touch:
      return touch(step);
    case Step::Kind::Protect:
      return result_of(mprotect(start, bytes, static_cast<int>(step.prot)));
    case Step::Kind::Advise:
      return result_of(madvise(start, bytes, static_cast<int>(step.advice)));
    case Step::Kind::Remap: {
      const bool moves = step.target.begin != step.range.begin;
      const void* at = moves ? mremap(start, bytes, step.target.bytes(),
                                      MREMAP_MAYMOVE | MREMAP_FIXED, pointer(step.target.begin))
                             : mremap(start, bytes, step.target.bytes(), 0);
      return at == MAP_FAILED ? -int64_t{errno} : 0;
    }
    case Step::Kind::Fork:
      return fork_child(step, number);
    case Step::Kind::Wait:
      return wait_child(step);
    case Step::Kind::Begin:
    case Step::Kind::End:
      break;
  }
  return 0;
}

int64_t Worker::touch(const Step& step) {
  int64_t count = 0;
  for_each_touch(step, [&](VirtAddr va) { count += access_byte(va.value(), step.write) ? 0 : 1; });
  return count;
}

int64_t Worker::fork_child(const Step& step, uint64_t number) {
  const int64_t before = minor_faults();
  const pid_t pid = fork();
  if (pid < 0) return -int64_t{errno};
  if (pid == 0) {
    index_ = step.other;
    own_faults_ = 0;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    serve();
    _exit(0);
  }
  children_[step.other] = pid;
  // The child's "done" tells that it is ready; then the parent's own memory is made its own again.
  answer({Answer::Kind::Forked, 0, number, pid, {}});
  fault_in_own_memory();
  own_faults_ += minor_faults() - before;
  return 0;
}

int64_t Worker::wait_child(const Step& step) {
  const int64_t before = minor_faults();
  commands_[step.other].send(Command{});
  int status = 0;
  const bool waited = waitpid(children_[step.other], &status, 0) == children_[step.other];
  own_faults_ += minor_faults() - before;
  return waited && WIFEXITED(status) ? 0 : -int64_t{ECHILD};
}

// Everything that is not the script's: areas of the program, its libraries, heap and stack.
void Worker::fault_in_own_memory() {
  const int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  if (fd < 0) fatal();
  size_t size = 0;
  ssize_t n = 0;
  while ((n = read(fd, text_.data() + size, text_.size() - 1 - size)) > 0)
    size += static_cast<size_t>(n);
  close(fd);
  text_[size] = '\0';
  for (char* line = text_.data(); *line != '\0';) {
    char* end = nullptr;
    const uint64_t from = std::strtoull(line, &end, 16);
    const uint64_t to = std::strtoull(end + 1, &end, 16);
    const char* rights = end + 1;
    char* next = std::strchr(line, '\n');
    if (next == nullptr) break;
    *next = '\0';
    const bool of_script = from >= kBase && from < kBase + kReach;
    const bool special = std::strstr(rights, "[v") != nullptr;  // vvar, vdso, vsyscall
    const bool huge = to - from > kMostOfOwn;                   // reserved, not used
    if (!of_script && !special && !huge && rights[0] == 'r') {
      const int advice = rights[1] == 'w' ? MADV_POPULATE_WRITE : MADV_POPULATE_READ;
      if (madvise(pointer(VirtAddr(from)), to - from, advice) != 0 && errno == EINVAL) fatal();
    }
    line = next + 1;
  }
}

Counted Worker::count() {
  Counted counted;
  counted.minor_faults = minor_faults() - own_faults_;
  int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
  if (fd < 0) fatal();
  ssize_t n = read(fd, text_.data(), text_.size() - 1);
  close(fd);
  if (n <= 0) fatal();
  text_[static_cast<size_t>(n)] = '\0';
  const auto kib = [&](const char* key) {
    const char* found = std::strstr(text_.data(), key);
    return found == nullptr ? 0 : std::strtoll(found + std::strlen(key), nullptr, 10);
  };
  counted.anonymous = kib("RssAnon:");
  counted.file = kib("RssFile:") + kib("RssShmem:");
  counted.tables = kib("VmPTE:");
  fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  if (fd < 0) fatal();
  while ((n = read(fd, text_.data(), text_.size())) > 0)
    for (ssize_t i = 0; i < n; ++i)
      counted.areas += text_[static_cast<size_t>(i)] == '\n' ? 1 : 0;
  close(fd);
  return counted;
}

void Worker::fatal() {
  answer({Answer::Kind::Fatal, 0, 0, errno, {}});
  _exit(1);
}

void Worker::answer(Answer answer) const {
  answer.process = index_;
  if (!results_.send(answer)) _exit(1);
}

}  // namespace mmusim::sim::workload
