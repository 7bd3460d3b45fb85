#include "kernel/system.h"

#include "base/error.h"
#include "base/linux_abi.h"
#include "config/keys.h"
#include "kernel/fork.h"
#include "kernel/reclaim.h"
#include "kernel/spaces.h"
#include "kernel/special.h"

namespace mmusim::kernel {

namespace {

[[noreturn]] void no_memory_for_tables(Pid pid) {
  throw Error(
      "", fmt::format("no simulated memory is left for the page table of process {}", pid.value()),
      "give the machine more with mem.bytes");
}

}  // namespace

System::System(const config::Config& config, const Platform& platform)
    : core(config, platform), scheduler(SchedulerOptions::keys().read(config), platform.cpus) {}

System::Cpu& System::cpu_slot(CpuId cpu) {
  if (cpu.value() >= cpus_.size()) {
    if (cpu.value() >= kMaxCpus)
      throw Error("", fmt::format("CPU {} is more than the kernel model has room for", cpu.value()),
                  fmt::format("use CPUs below {}", kMaxCpus));
    cpus_.resize(cpu.value() + 1);
  }
  return cpus_[cpu.value()];
}

CpuId System::turn(trace::ThreadId thread) {
  if (turn_ == thread) {
    run(turn_cpu_, thread);
    return turn_cpu_;
  }
  if (turn_ && scheduler.sleeps_between()) {
    scheduler.place_beside(*turn_, thread);
    sleep(*turn_);
  }
  turn_cpu_ = scheduler.turn(thread);
  turn_ = thread;
  run(turn_cpu_, thread);
  let_others_go_on();
  return turn_cpu_;
}

void System::pin(trace::ThreadId thread, CpuId cpu) {
  scheduler.pin(thread, cpu);
  turn_.reset();
}

void System::recorded(trace::ThreadId thread, CpuId cpu) {
  if (scheduler.recorded(thread, cpu) && turn_ == thread) turn_.reset();
}

void System::sleep(trace::ThreadId thread) {
  if (scheduler.cpus() == 1) return;
  scheduler.sleeps(thread);
  stop(thread);
  if (turn_ == thread) turn_.reset();
  let_others_go_on();
}

void System::let_others_go_on() {
  if (scheduler.cpus() == 1 || scheduler.sleeps_between()) return;
  for (uint32_t id = 0; id < cpus_.size(); ++id) {
    if (cpus_[id].process != nullptr) continue;
    const auto other = scheduler.waiting_on(CpuId(id));
    if (!other || !knows(*other) || find(other->pid)->mm == nullptr) continue;
    put_on(CpuId(id), *other);
  }
}

void System::go_idle(uint32_t id) {
  Cpu& cpu = cpus_[id];
  cpu.process = nullptr;
  if (cpu.mm == nullptr) return;
  cpu.idle = true;
  core.platform.tlbs->idle(CpuId(id));
}

void System::stop(const Process& process) {
  for (uint32_t id = 0; id < cpus_.size(); ++id)
    if (cpus_[id].process == &process) go_idle(id);
}

void System::stop(trace::ThreadId thread) {
  for (uint32_t id = 0; id < cpus_.size(); ++id)
    if (cpus_[id].process != nullptr && cpus_[id].thread == thread) go_idle(id);
}

void System::tell_sharing(const Process& process) {
  if (process.mm == nullptr) return;
  core.platform.tlbs->shared(process.mm->id, process.mm->users > 1 || process.threads.size() > 1);
}

void System::run(CpuId cpu_id, trace::ThreadId thread) {
  core.platform.tlbs->work_on(cpu_id);
  Cpu& cpu = cpu_slot(cpu_id);
  if (cpu.process != nullptr && cpu.thread == thread) return;
  stop(thread);
  put_on(cpu_id, thread);
}

void System::put_on(CpuId cpu_id, trace::ThreadId thread) {
  Process& process = process_of(thread);
  Cpu& cpu = cpu_slot(cpu_id);
  cpu.thread = thread;
  cpu.process = &process;
  ++core.counters.switches;
  if (process.mm == nullptr) process.mm = &new_space_or_error(process.pid);
  if (cpu.mm == process.mm && !cpu.idle) return;
  cpu.mm = process.mm;
  cpu.idle = false;
  for (unsigned attempt = 0; !core.platform.tlbs->activate(cpu_id, cpu.mm->id, *cpu.mm->table);
       ++attempt)
    if (!make_room(core, attempt)) no_memory_for_tables(process.pid);
}

Process* System::running(CpuId cpu) {
  return cpu.value() < cpus_.size() ? cpus_[cpu.value()].process : nullptr;
}

AddressSpace* System::current(CpuId cpu) const {
  return cpu.value() < cpus_.size() ? cpus_[cpu.value()].mm : nullptr;
}

AddressSpace* System::space(MmId id) const {
  const auto it = spaces_.find(id);
  return it == spaces_.end() ? nullptr : it->second.get();
}

Process* System::find(Pid pid) {
  const auto it = processes_.find(pid);
  return it == processes_.end() ? nullptr : &it->second;
}

bool System::knows(trace::ThreadId thread) const {
  const auto it = processes_.find(thread.pid);
  return it != processes_.end() && !it->second.zombie && it->second.threads.contains(thread.tid);
}

Process& System::process_of(trace::ThreadId thread) {
  Process& process = processes_[thread.pid];
  if (process.zombie) process = Process{};  // the id is in use again
  process.pid = thread.pid;
  if (process.mm == nullptr) {
    process.mm = &new_space_or_error(thread.pid);
    add_special_areas(core, *process.mm);
  }
  if (process.threads.insert(thread.tid).second) {
    ++core.counters.late_threads;
    if (process.threads.size() > 1) tell_sharing(process);
  }
  return process;
}

AddressSpace* System::new_space() {
  auto made = make_space(core);
  if (made == nullptr) return nullptr;
  AddressSpace* mm = made.get();
  spaces_.emplace(mm->id, std::move(made));
  return mm;
}

AddressSpace& System::new_space_or_error(Pid pid) {
  AddressSpace* mm = new_space();
  if (mm == nullptr) no_memory_for_tables(pid);
  return *mm;
}

void System::put_space(AddressSpace* mm) {
  if (mm == nullptr) return;
  if (--mm->users != 0) {
    for (const auto& [pid, process] : processes_)
      if (mm->users == 1 && process.mm == mm) tell_sharing(process);
    return;
  }
  for (Cpu& cpu : cpus_)
    if (cpu.mm == mm) cpu = Cpu{};
  core.platform.tlbs->shared(mm->id, false);
  tear_down(core, *mm);
  spaces_.erase(mm->id);
}

int64_t System::fork(Process& parent, trace::ThreadId child, bool shares_memory) {
  AddressSpace* mm = parent.mm;
  if (shares_memory) {
    ++mm->users;
    ++core.counters.shared_forks;
  } else {
    auto copy = fork_space(core, *mm);
    for (unsigned attempt = 0; copy == nullptr && make_room(core, attempt); ++attempt)
      copy = fork_space(core, *mm);
    if (copy == nullptr) return -abi::kENOMEM;
    mm = copy.get();
    spaces_.emplace(mm->id, std::move(copy));
    ++core.counters.forks;
  }
  Process& process = processes_[child.pid];
  process = Process{};
  process.pid = child.pid;
  process.mm = mm;
  process.threads.insert(child.tid);
  if (shares_memory) tell_sharing(process);
  return child.pid.value();
}

int64_t System::add_thread(Process& process, Tid tid) {
  if (!process.threads.insert(tid).second) return -abi::kEEXIST;
  ++core.counters.threads;
  tell_sharing(process);
  return tid.value();
}

void System::adopt_without_memory(trace::ThreadId child) {
  Process& process = processes_[child.pid];
  process = Process{};
  process.pid = child.pid;
  process.threads.insert(child.tid);
}

AddressSpace& System::replace_space(CpuId cpu_id, trace::ThreadId thread) {
  Process& process = process_of(thread);
  // Nobody runs the old image from here on, even if there is no memory for a new one.
  stop(process);
  for (const Tid tid : process.threads)
    if (tid != thread.tid) scheduler.ended({thread.pid, tid});
  AddressSpace* old = process.mm;
  const auto thp = old == nullptr ? AddressSpace::ThpDisabled::None : old->thp_disabled;
  AddressSpace* fresh = new_space();
  if (fresh == nullptr) {
    process.mm = nullptr;
    put_space(old);
    old = nullptr;
    fresh = &new_space_or_error(process.pid);
  }
  fresh->thp_disabled = thp;
  process.mm = fresh;
  process.threads = {thread.tid};
  run(cpu_id, thread);
  put_space(old);
  let_others_go_on();
  return *fresh;
}

void System::end_turn(trace::ThreadId thread) {
  scheduler.ended(thread);
  if (turn_ == thread) turn_.reset();
}

void System::exit_thread(trace::ThreadId thread, int32_t status) {
  Process& process = processes_.at(thread.pid);
  if (process.threads.size() <= 1) {
    exit_process(process, status);
    return;
  }
  process.threads.erase(thread.tid);
  end_turn(thread);
  stop(thread);
  tell_sharing(process);
  let_others_go_on();
}

void System::exit_process(Process& process, int32_t status) {
  end(process, status);
  let_others_go_on();
}

void System::end(Process& process, int32_t status) {
  stop(process);
  for (const Tid tid : process.threads)
    end_turn({process.pid, tid});
  AddressSpace* mm = process.mm;
  process.mm = nullptr;
  process.threads.clear();
  process.zombie = true;
  process.status = status;
  ++core.counters.exits;
  put_space(mm);
}

void System::reap(Process& parent, Pid child) {
  const Process& dead = processes_.at(child);
  parent.children.minor += dead.faults.minor + dead.children.minor;
  parent.children.major += dead.faults.major + dead.children.major;
  processes_.erase(child);
  ++core.counters.waits;
}

void System::shut_down() {
  for (auto& [pid, process] : processes_) {
    if (!process.zombie) end(process, 0);
  }
  processes_.clear();
  core.drop_everything();
}

}  // namespace mmusim::kernel
