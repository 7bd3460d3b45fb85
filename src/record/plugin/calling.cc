#include "record/plugin/calling.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <sched.h>
#include <string>
#include <string_view>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/linux_abi.h"
#include "record/plugin/cpu.h"
#include "record/plugin/exec.h"
#include "record/plugin/remap.h"

namespace mmusim::record::plugin {
namespace {

constexpr size_t kMostCalls = 1024;
std::array<Call, kMostCalls> call_of{};

// Held by a system call that changes the address space from its beginning to its end, so that their
// order in the trace is the one in which they took effect; and by a fork, so that none is under way
// in the copy. A lock of its own, since it is released by the child too.
class ProcessLock {
 public:
  void lock() {
    while (taken_.exchange(true, std::memory_order_acquire))
      sched_yield();
  }
  void unlock() { taken_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool> taken_{false};
};
ProcessLock address_space_lock;

// Of a fork under way.
uint32_t parent_process = 0;
uint32_t parent_thread = 0;

Call call_numbered(int64_t number) {
  return number >= 0 && static_cast<size_t>(number) < kMostCalls
             ? call_of[static_cast<size_t>(number)]
             : Call::None;
}

uint64_t generic_flags(uint64_t flags) {
  const auto low = static_cast<uint32_t>(flags);
  return guest.isa().mmap_flags != nullptr ? guest.isa().mmap_flags(low) : low;
}

// The old mmap of i386 has its arguments in memory.
void fetch_old_arguments(Cpu& cpu) {
  const uint64_t at = cpu.arguments[0];
  for (unsigned i = 0; i < 6; ++i) {
    uint64_t value = 0;
    guest.read_number(at + uint64_t{4} * i, 4, value);
    cpu.arguments[i] = value;
  }
}

// How an area of `old_bytes` at `old` may stay where it is when it has `bytes`.
Stay way_to_stay(uint64_t old, uint64_t old_bytes, uint64_t bytes, uint64_t flags) {
  if (!placement.on() || (flags & abi::kRemapDontUnmap) != 0) return Stay::No;
  if (guest.shares_host_addresses()) return Stay::Host;
  const uint64_t page = (uint64_t{1} << guest.isa().page_shift) - 1;
  const uint64_t old_end = (old + old_bytes + page) & ~page;
  return !guest.isa().wide && guest.is_free(old_end, (old + bytes + page) & ~page) ? Stay::Reserved
                                                                                   : Stay::No;
}

void choose_place(const Cpu& cpu) {
  const auto& a = cpu.arguments;
  switch (cpu.call) {
    case Call::Mmap:
    case Call::Mmap2:
    case Call::MmapOld: {
      const uint64_t flags = generic_flags(a[3]);
      if (a[0] == 0 && (flags & abi::kMapFixed) == 0)
        placement.choose(guest, a[1],
                         (flags & (abi::kMapAnonymous | abi::kMapGrowsDown)) == abi::kMapAnonymous);
      break;
    }
    case Call::Mremap:
      if ((a[3] & abi::kRemapFixed) != 0) break;
      stay_if_possible(way_to_stay(a[0], a[1], a[2], a[3]));
      placement.choose(guest, a[2], false);
      break;
    default:
      break;
  }
}

void note_place(const Cpu& cpu, int64_t result) {
  if (abi::failed(result)) return;
  const auto& a = cpu.arguments;
  const uint64_t page = (uint64_t{1} << guest.isa().page_shift) - 1;
  const auto whole = [page](uint64_t bytes) { return (bytes + page) & ~page; };
  const uint64_t at = guest.value(static_cast<uint64_t>(result));
  switch (cpu.call) {
    case Call::Mmap:
    case Call::Mmap2:
    case Call::MmapOld:
      placement.mapped(at, whole(a[1]));
      break;
    case Call::Munmap:
      placement.unmapped(a[0], whole(a[1]));
      break;
    case Call::Mremap:
      if ((a[3] & abi::kRemapDontUnmap) == 0) placement.unmapped(a[0], whole(a[1]));
      placement.mapped(at, whole(a[2]));
      break;
    default:
      break;
  }
}

bool makes_process(const Cpu& cpu, uint64_t& flags) {
  if (cpu.call == Call::Fork)
    flags = abi::kSignalChild;
  else if (cpu.call == Call::Vfork)
    flags = abi::kCloneVm | abi::kCloneVfork | abi::kSignalChild;
  else if (cpu.call == Call::Clone)
    flags = cpu.arguments[0];
  else
    return false;
  return (flags & abi::kCloneThread) == 0;
}

std::string file_name(uint64_t descriptor) {
  std::array<char, 4096> name;
  const std::string link = "/proc/self/fd/" + std::to_string(static_cast<int32_t>(descriptor));
  const ssize_t bytes = readlink(link.c_str(), name.data(), name.size());
  return bytes > 0 ? std::string(name.data(), static_cast<size_t>(bytes)) : std::string();
}

// The file a call is about.
std::string name_for(const Cpu& cpu) {
  const auto& a = cpu.arguments;
  std::string path;
  switch (cpu.call) {
    case Call::Mmap:
    case Call::Mmap2:
    case Call::MmapOld:
      return (generic_flags(a[3]) & abi::kMapAnonymous) != 0 ? "" : file_name(a[4]);
    case Call::Ftruncate:
    case Call::Ftruncate64:
    case Call::Fallocate:
      return file_name(a[0]);
    case Call::Truncate:
    case Call::Truncate64:
      guest.read_text(a[0], 4096, path);
      return path;
    default:
      return path;
  }
}

void put_call(Cpu& cpu, int64_t result, const std::array<uint64_t, 6>& arguments,
              std::string_view name) {
  EventWords words;
  words.word(static_cast<uint64_t>(cpu.call)).word(static_cast<uint64_t>(result));
  for (const uint64_t argument : arguments)
    words.word(argument);
  put_event(cpu.producer, EventKind::Call, words.text(name));
}

std::array<uint64_t, 6> first_six(const Cpu& cpu) {
  std::array<uint64_t, 6> six{};
  std::copy_n(cpu.arguments.begin(), six.size(), six.begin());
  return six;
}

// Of a wait: the child, its status as wait4 gives it, 1 if the status is known.
void put_wait(Cpu& cpu, int64_t result) {
  if (result < 0) return;
  const auto& a = cpu.arguments;
  uint64_t child = static_cast<uint64_t>(result);
  uint64_t status = 0;
  uint64_t known = 0;
  if (cpu.call == Call::Waitid) {
    constexpr uint64_t kNoReap = 0x1000000;
    constexpr uint64_t kExited = 1;  // CLD_EXITED; killed and dumped are 2 and 3
    constexpr uint64_t kDumped = 3;
    const uint64_t info = a[2];
    const uint64_t fields = info + (guest.isa().wide ? 16 : 12);
    uint64_t code = 0;
    uint64_t value = 0;
    if ((a[3] & kNoReap) != 0 || info == 0 || !guest.read_number(fields, 4, child) ||
        !guest.read_number(info + 8, 4, code) || !guest.read_number(fields + 8, 4, value))
      return;
    if (child == 0 || code < kExited || code > kDumped) return;
    status = code == kExited ? (value & 0xff) << 8 : (value & 0x7f) | (code == kDumped ? 0x80 : 0);
    known = 1;
  } else {
    if (result == 0) return;
    if (a[1] != 0 && guest.read_number(a[1], 4, status)) known = 1;
    const bool stopped_or_continued = known != 0 && ((status & 0xff) == 0x7f || status == 0xffff);
    if (stopped_or_continued) return;
  }
  put_call(cpu, 0, {child, status, known, 0, 0, 0}, "");
}

}  // namespace

void know_calls(const Isa& isa) {
  for (const CallNumber& call : isa.calls)
    if (call.number < kMostCalls) call_of[call.number] = call.call;
}

void on_call(qemu_plugin_id_t /*id*/, unsigned vcpu, int64_t number, uint64_t a1, uint64_t a2,
             uint64_t a3, uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8) {
  Cpu& cpu = cpus[vcpu];
  if (cpu.producer.head == nullptr) first_word(cpu);
  tell_zeroed(cpu);
  cpu.call = call_numbered(number);
  cpu.arguments = {guest.value(a1), guest.value(a2), guest.value(a3), guest.value(a4),
                   guest.value(a5), guest.value(a6), guest.value(a7), guest.value(a8)};
  put_head(cpu.producer);
  if (cpu.unplaced) {  // that was it
    cpu.unplaced = false;
    share()->unplaced.fetch_sub(1, std::memory_order_relaxed);
  }
  uint64_t flags = 0;
  if (is_memory_call(cpu.call) || makes_process(cpu, flags)) {
    address_space_lock.lock();
    cpu.locked = true;
    if (cpu.call == Call::MmapOld) fetch_old_arguments(cpu);
    choose_place(cpu);
    return;
  }
  switch (cpu.call) {
    case Call::Execve:
      execute(guest, cpu.producer, a1, a2, a3);
      break;
    case Call::Exit:
    case Call::ExitGroup:
      put_event(cpu.producer, EventKind::Exit,
                EventWords().word((a1 & 0xff) << 8).word(cpu.call == Call::ExitGroup ? 1 : 0));
      break;
    default:
      break;
  }
}

void on_return(qemu_plugin_id_t /*id*/, unsigned vcpu, int64_t /*number*/, int64_t result) {
  Cpu& cpu = cpus[vcpu];
  if (cpu.producer.head == nullptr) return;
  if (!guest.isa().wide) {
    const auto low = static_cast<int32_t>(result);
    result = abi::failed(low) ? low : static_cast<int64_t>(static_cast<uint32_t>(low));
  }
  uint64_t flags = 0;
  if (is_memory_call(cpu.call)) {
    note_place(cpu, result);
    put_call(cpu, result, first_six(cpu), name_for(cpu));
  } else if (cpu.call == Call::Wait4 || cpu.call == Call::Waitpid || cpu.call == Call::Waitid) {
    put_wait(cpu, result);
  } else if (makes_process(cpu, flags) || cpu.call == Call::Clone) {
    if (result > 0)
      put_call(cpu, result, {cpu.call == Call::Clone ? cpu.arguments[0] : flags, 0, 0, 0, 0, 0},
               "");
  } else {
    put_head(cpu.producer);
  }
  if (cpu.locked) {
    cpu.locked = false;
    address_space_lock.unlock();
  }
  cpu.call = Call::None;
}

// Called in the thread that makes the new one, which may be heard of before the call returns.
void on_thread(qemu_plugin_id_t /*id*/, unsigned vcpu) {
  if (own_cpu == nullptr || vcpu >= kMostCpus) return;
  cpus[vcpu].maker = static_cast<uint32_t>(syscall(SYS_gettid));
  cpus[vcpu].clone_flags = own_cpu->arguments[0];
}

void on_thread_end(qemu_plugin_id_t /*id*/, unsigned vcpu) {
  Cpu& cpu = cpus[vcpu];
  detach(cpu.producer);
  cpu = Cpu{};  // its number may be another's next
}

void before_fork() {
  forking = true;
  parent_process = static_cast<uint32_t>(getpid());
  parent_thread = static_cast<uint32_t>(syscall(SYS_gettid));
}

void after_fork_of_parent() {
  forking = false;
}

// In the child, which has a copy of all rings' positions and one thread.
void after_fork() {
  forking = false;
  if (own_cpu == nullptr) return;
  Cpu& cpu = *own_cpu;
  uint64_t flags = 0;
  makes_process(cpu, flags);
  forget_rings();
  for (unsigned i = 0; i < cpus_used.load(); ++i)
    if (cpus + i != own_cpu) cpus[i] = Cpu{};
  attach(cpu.producer, Birth{.kind = StartKind::Fork,
                             .parent_process = parent_process,
                             .parent_thread = parent_thread,
                             .clone_flags = flags,
                             .first_block = next_block});
}

}  // namespace mmusim::record::plugin
