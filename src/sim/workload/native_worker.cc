#include "sim/workload/native_worker.h"

#include <alloca.h>
#include <cerrno>
#include <csetjmp>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <sanitizer/asan_interface.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/ucontext.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/workload/touch.h"

namespace mmusim::sim::workload {

namespace {

// What a touch that the kernel refuses comes back to.
sigjmp_buf refused;

extern "C" void on_refused(int /*signal*/) {
  siglongjmp(refused, 1);
}

#ifdef __x86_64__
// What is executed at a touched place: of what a script's memory holds, bytes of 0 and 1, any two
// are an instruction that adds to what RAX or RCX points at. The trap flag ends it behind that.
volatile uint64_t executed_at = 0;
std::array<char, 64> adds_to{};

extern "C" void on_trap(int /*signal*/, siginfo_t* /*info*/, void* context) {
  const auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  // First the jump has been traced, and nothing executed yet.
  if (static_cast<uint64_t>(registers[REG_RIP]) != executed_at) siglongjmp(refused, 2);
}

bool execute_at(uint64_t address) {
  executed_at = address;
  if (const int how = sigsetjmp(refused, 0); how != 0) return how == 2;
  asm volatile(
      "pushfq\n\t"
      "orl $0x100, (%%rsp)\n\t"
      "popfq\n\t"
      "jmp *%2\n\t"
      :
      : "a"(adds_to.data()), "c"(adds_to.data()), "r"(address)
      : "memory", "cc");
  return false;
}
#endif

// Whether the access was allowed.
bool access_byte(uint64_t address, AccessKind kind) {
#ifdef __x86_64__
  if (kind == AccessKind::Fetch) return execute_at(address);
#endif
  volatile char* byte = reinterpret_cast<volatile char*>(address);  // NOLINT: that is the point
  if (sigsetjmp(refused, 0) != 0) return false;
  // NOLINTBEGIN(clang-analyzer-core.NullDereference): being refused is one of the outcomes
  if (writes(kind))
    *byte = 1;
  else
    static_cast<void>(*byte);
    // NOLINTEND(clang-analyzer-core.NullDereference)
#ifdef __x86_64__
  // Else the processor is ahead with the next accesses, and has looked up translations that the
  // kernel is about to change and will not flush: each a spurious fault then.
  __builtin_ia32_lfence();
#endif
  return true;
}

constexpr size_t kVforkStack = 128 << 10;
constexpr size_t kThreadStack = 512 << 10;

void* pointer(VirtAddr va) {
  return reinterpret_cast<void*>(va.value());  // NOLINT: that is the point
}

int64_t result_of(int64_t system_call) {
  return system_call < 0 ? -int64_t{errno} : 0;
}

}  // namespace

void ThreadRooms::furnish(const Plan& plan, const Worker& first) {
  for (unsigned process = 0; process < plan.threads.size(); ++process) {
    if (!plan.threads[process]) continue;
    Room& room = rooms_[process];
    room.worker = std::make_unique<Worker>(first);
    room.stack.resize(kThreadStack);
  }
}

Worker::Worker(const NativeOptions& options, const Plan& plan, const std::vector<int>& files,
               const std::vector<Channel>& commands, const Channel& results,
               const Channel& successions, ThreadRooms& rooms)
    : options_(options),
      plan_(plan),
      files_(files),
      commands_(commands),
      results_(results),
      successions_(successions),
      children_(commands.size()),
      stacks_(plan.vforks, std::vector<char>(kVforkStack)),
      rooms_(rooms),
      places_(std::make_shared<Places>(plan)) {}

void Worker::run() {
  prepare();
  serve();
  _exit(0);
}

void Worker::run_spare() {
  prepare();
  signal(SIGCHLD, SIG_IGN);  // nobody waits for successors
  Succession wanted;
  while (successions_.receive(wanted)) {
    const pid_t pid = fork();
    if (pid < 0) fatal("go on after an exec (fork)");
    if (pid > 0) continue;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGCHLD, SIG_DFL);
    self_.index = wanted.process;
    Answer here;
    here.kind = Answer::Kind::Succeeded;
    here.result = getpid();
    answer(here);
    fault_in_own_memory();
    base_ = count_all();
    self_.own_faults = faults() - wanted.faults;
    serve();
    _exit(0);
  }
  _exit(0);
}

void Worker::prepare() {
  // Dies with the coordinator; no huge pages; one CPU, so that RSS is exact.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (!options_.huge_pages) prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<size_t>(sched_getcpu()), &one);
  sched_setaffinity(0, sizeof one, &one);
  struct sigaction action {};
  action.sa_handler = on_refused;
  action.sa_flags = SA_NODEFER;
  sigaction(SIGSEGV, &action, nullptr);
  sigaction(SIGBUS, &action, nullptr);
#ifdef __x86_64__
  struct sigaction trap {};
  trap.sa_sigaction = on_trap;
  trap.sa_flags = SA_NODEFER | SA_SIGINFO;
  sigaction(SIGTRAP, &trap, nullptr);
#endif
  signal(SIGINT, SIG_DFL);
  signal(SIGTERM, SIG_DFL);
  signal(SIGHUP, SIG_DFL);
  if (plan_.breaks) place_break();
  make_forgetful();
  furnish();
  // More stack than will ever be needed, so that its area never grows.
  constexpr size_t kStack = 256 << 10;
  std::memset(alloca(kStack), 1, kStack);
  // Being refused once touches what the way back from a signal needs, so that no measure counts it.
  static_cast<void>(access_byte(0, AccessKind::Load));
  fault_in_own_memory();
  base_ = count_all();
}

void Worker::serve() {
  fault_in_own_memory();
  obey();
}

void Worker::obey() {
  answer({});
  Command command;
  while (commands_[self_.index].receive(command) && command.steps != 0) {
    if (!commands_[self_.index].get(steps_.data(), command.steps * sizeof(Step))) _exit(1);
    // A vfork, which comes last, leaves other steps there.
    const Step::Kind last = steps_[command.steps - 1].kind;
    for (uint64_t i = 0; i < command.steps; ++i)
      step(steps_[i], command.first + i);
    answer({});
    if (last == Step::Kind::Exit || (last == Step::Kind::Exec && self_.shares_memory)) _exit(0);
  }
}

void Worker::step(const Step& step, uint64_t number) {
  Answer said;
  said.step = number;
  if (step.kind == Step::Kind::Begin || step.kind == Step::Kind::End) {
    said.kind = Answer::Kind::Counted;
    if (step.kind == Step::Kind::Begin) start_peak();
    said.counted = count();
    answer(said);
    return;
  }
  said.kind = Answer::Kind::Failed;
  said.result = perform(step, number);
  if (said.result != 0) answer(said);
}

int64_t Worker::perform(const Step& symbolic, uint64_t number) {
  if (symbolic.anywhere) return map(symbolic, number);
  const Step step = places_->placed(symbolic);
  void* const start = pointer(step.range.begin);
  const uint64_t bytes = step.range.bytes();
  switch (step.kind) {
    case Step::Kind::Map:
      return map(step, number);
    case Step::Kind::Unmap:
      return result_of(munmap(start, bytes));
    case Step::Kind::Touch:
      return touch(step);
    case Step::Kind::Protect:
      return result_of(mprotect(start, bytes, static_cast<int>(step.prot)));
    case Step::Kind::Advise:
      return result_of(madvise(start, bytes, static_cast<int>(step.advice)));
    case Step::Kind::Lock:
      return result_of(mlock(start, bytes));
    case Step::Kind::Unlock:
      return result_of(munlock(start, bytes));
    case Step::Kind::Truncate:
      return result_of(ftruncate(files_[step.file - 1], static_cast<off_t>(step.offset)));
    case Step::Kind::Hole:
      return result_of(fallocate(files_[step.file - 1], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                 static_cast<off_t>(step.offset), static_cast<off_t>(step.bytes)));
    case Step::Kind::Sync:
      return result_of(msync(start, bytes, static_cast<int>(step.flags)));
    case Step::Kind::LockAll:
    case Step::Kind::UnlockAll:
    case Step::Kind::Thp:
    case Step::Kind::AdviseOther:
      return whole(step);
    case Step::Kind::Remap: {
      const void* at = mremap(start, bytes, step.target.bytes(), static_cast<int>(step.flags),
                              pointer(step.target.begin));
      return at == MAP_FAILED ? -int64_t{errno} : 0;
    }
    case Step::Kind::Break: {
      const uint64_t wanted = step.range.end.value();
      return static_cast<uint64_t>(syscall(SYS_brk, wanted)) == wanted ? 0 : -int64_t{ENOMEM};
    }
    case Step::Kind::Fork:
      return fork_child(step, number);
    case Step::Kind::Vfork:
      return vfork_child(step, number);
    case Step::Kind::Thread:
      return start_thread(step, number);
    case Step::Kind::Exec:
      return exec();
    case Step::Kind::Wait:
      return wait_child(step);
    case Step::Kind::Exit:  // when the answers have been given
    case Step::Kind::Pin:   // all run on one CPU, so that RSS is exact
    case Step::Kind::Begin:
    case Step::Kind::End:
      break;
  }
  return 0;
}

int64_t Worker::map(const Step& step, uint64_t number) {
  const int fd = step.file == 0 ? -1 : files_[step.file - 1];
  void* const wanted = step.anywhere ? nullptr : pointer(step.range.begin);
  void* const at = mmap(wanted, step.range.bytes(), static_cast<int>(step.prot),
                        static_cast<int>(step.flags), fd, static_cast<off_t>(step.offset));
  if (at == MAP_FAILED) return -int64_t{errno};
  if (!step.anywhere) return 0;
  const auto start = reinterpret_cast<uint64_t>(at);  // NOLINT: that is the point
  places_->put(step.range, VirtAddr(start));
  Answer said;
  said.kind = Answer::Kind::Placed;
  said.step = number;
  said.result = static_cast<int64_t>(start - kNativeMmapBase);
  answer(said);
  return 0;
}

int64_t Worker::touch(const Step& step) {
  forget_translations();
  int64_t count = 0;
  for_each_touch(step, [&](VirtAddr va) { count += access_byte(va.value(), step.access) ? 0 : 1; });
  return count;
}

int64_t Worker::fork_child(const Step& step, uint64_t number) {
  const Faults before = faults();
  const pid_t pid = fork();
  if (pid < 0) return -int64_t{errno};
  if (pid == 0) {
    // Not where the parent may have a successor, whose child this one then is.
    if (!self_.shares_memory) prctl(PR_SET_PDEATHSIG, SIGKILL);
    self_.index = step.other;
    self_.own_faults = {};
    self_.shares_memory = false;
    serve();
    _exit(0);
  }
  forked(step, number, pid);
  fault_in_own_memory();  // it is its own again
  self_.own_faults += faults() - before;
  return 0;
}

// The child's "done" tells that it is ready.
void Worker::forked(const Step& step, uint64_t number, pid_t pid) {
  children_[step.other] = pid;
  Answer said;
  said.kind = Answer::Kind::Forked;
  said.step = number;
  said.result = pid;
  answer(said);
}

int64_t Worker::start_thread(const Step& step, uint64_t number) {
  const Faults before = faults();
  ThreadRooms::Room& room = rooms_.of(step.other);
  Worker& worker = *room.worker;
  worker.self_ = {.index = step.other, .own_faults = {}, .shares_memory = false, .stacks = 0};
  worker.base_ = base_;
  ASAN_UNPOISON_MEMORY_REGION(room.stack.data(), room.stack.size());
  // It touches nothing that has not been faulted in, so that it can begin beside its parent.
  const auto start = [](void* thread) -> int {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    static_cast<Worker*>(thread)->obey();
    _exit(0);
  };
  const pid_t pid =
      clone(start, room.stack.data() + room.stack.size(), CLONE_VM | SIGCHLD, &worker);
  if (pid < 0) return -int64_t{errno};
  forked(step, number, pid);
  self_.own_faults += faults() - before;
  return 0;
}

int64_t Worker::vfork_child(const Step& step, uint64_t number) {
  const Faults before = faults();
  const Self me = self_;
  const unsigned child = step.other;
  child_ = {.index = child, .own_faults = {}, .shares_memory = true, .stacks = me.stacks + 1};
  child_step_ = number;
  std::vector<char>& stack = stacks_[me.stacks];
  // Who ran there before did not return from its functions.
  ASAN_UNPOISON_MEMORY_REGION(stack.data(), stack.size());
  const auto start = [](void* worker) -> int { static_cast<Worker*>(worker)->start_vforked(); };
  const pid_t pid =
      clone(start, stack.data() + stack.size(), CLONE_VM | CLONE_VFORK | SIGCHLD, this);
  const int64_t error = errno;
  self_ = me;
  children_[child] = pid;
  fault_in_own_memory();
  self_.own_faults += faults() - before;
  return pid < 0 ? -error : 0;
}

void Worker::start_vforked() {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  self_ = child_;
  Answer here;
  here.kind = Answer::Kind::Vforked;
  here.step = child_step_;
  here.result = getpid();
  answer(here);
  serve();
  _exit(0);
}

int64_t Worker::wait_child(const Step& step) {
  if (children_[step.other] == 0) return 0;
  const Faults before = faults();
  int status = 0;
  const bool waited = waitpid(children_[step.other], &status, 0) == children_[step.other];
  self_.own_faults += faults() - before;
  return waited && WIFEXITED(status) ? 0 : -int64_t{ECHILD};
}

// All that the script has mapped goes, as in a real exec; the new program is the script's to map.
int64_t Worker::exec() {
  if (self_.shares_memory) {
    const Succession wanted{.process = self_.index, .faults = faults() - self_.own_faults};
    if (!successions_.send(wanted)) _exit(1);
    return 0;
  }
  if (plan_.breaks) syscall(SYS_brk, kBase + kHeap);
  // Also what the kernel has placed.
  return unmap_script();
}

void Worker::fatal(const char* what) {
  Answer last;
  last.kind = Answer::Kind::Fatal;
  last.result = errno;
  last.what = what;
  answer(last);
  _exit(1);
}

void Worker::answer(Answer answer) const {
  answer.process = self_.index;
  if (!results_.send(answer)) _exit(1);
}

}  // namespace mmusim::sim::workload
