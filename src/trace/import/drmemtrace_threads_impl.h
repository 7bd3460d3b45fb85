// Those functions of drmemtrace_import.h's template that are about threads, processes and system
// calls; included there only.
#ifndef MMUSIM_TRACE_IMPORT_DRMEMTRACE_THREADS_IMPL_H_
#define MMUSIM_TRACE_IMPORT_DRMEMTRACE_THREADS_IMPL_H_

#include "base/linux_abi.h"
#include "trace/import/drmemtrace_import_class.h"

namespace mmusim::trace::drmemtrace {

// What pthread_create asks for; of threads whose call's flags are not recorded.
inline constexpr uint64_t kThreadFlags = 0x3d0f00;

template <class Sink>
void Import<Sink>::turn_to(Thread* thread) {
  thread_ = thread;
  ready_ = have_instruction_ = false;
}

template <class Sink>
typename Import<Sink>::Thread& Import<Sink>::thread_of(uint64_t raw_tid) {
  const auto [place, is_new] = threads_.try_emplace(raw_tid);
  Thread& thread = place->second;
  if (is_new) {
    if (threads_.size() > kMostThreads)
      throw Error("drmemtrace", fmt::format("more than {} threads", kMostThreads));
    thread.raw_tid = raw_tid;
    thread.id.tid = Tid(number_of(raw_tid));
  }
  return thread;
}

// Ids of recordings put together have more than 32 bits.
template <class Sink>
uint32_t Import<Sink>::number_of(uint64_t raw) {
  constexpr uint32_t kFirstOwn = uint32_t{1} << 31;  // Linux's ids are below
  if (raw < kFirstOwn) return static_cast<uint32_t>(raw);
  return long_numbers_
      .try_emplace(raw, kFirstOwn + static_cast<uint32_t>(long_numbers_.size() % kFirstOwn))
      .first->second;
}

template <class Sink>
void Import<Sink>::set_process(const Stream& stream, uint64_t raw_pid, const char* at) {
  if (thread_ == nullptr) {
    refuse(stream, at, "a process of no thread");
    return;
  }
  const Pid pid(number_of(raw_pid));
  processes_.try_emplace(pid);
  if (processes_.size() > kMostThreads)
    throw Error(stream.input.records->place_of(at),
                fmt::format("more than {} processes", kMostThreads));
  if (thread_->has_process && thread_->id.pid == pid && thread_->image == stream.input.image)
    return;
  if (thread_->begun && thread_->id.pid != pid) end_thread(*thread_);  // its id is used again
  thread_->id.pid = pid;
  thread_->image = stream.input.image;
  thread_->has_process = true;
  ready_ = have_instruction_ = false;
}

// Before an instruction or access of the current thread. False: it is left out.
template <class Sink>
bool Import<Sink>::make_ready(const Stream& stream, const char* at) {
  if (thread_ == nullptr || !thread_->has_process) {
    refuse(stream, at, "an instruction of no thread or process");
    return false;
  }
  if (thread_->in_kernel && !whole_system_) {
    note(Note::KernelInstructions);
    return false;
  }
  thread_->in_kernel = false;
  become(*thread_);
  if (thread_->cpu_is_news) {
    thread_->cpu_is_news = false;
    sink_.event(SwitchEvent{.cpu = CpuId(*thread_->cpu)});
  }
  ready_ = true;
  return true;
}

// What the sink is told from now on is this thread's.
template <class Sink>
void Import<Sink>::become(Thread& thread) {
  const Process& process = processes_[thread.id.pid];
  if (!thread.begun || process.image != thread.image) begin(thread);
  if (told_ == &thread) return;
  sink_.thread(thread.id);
  told_ = &thread;
  have_instruction_ = false;
  forget_range();
}

template <class Sink>
void Import<Sink>::begin(Thread& thread) {
  Process& process = processes_[thread.id.pid];
  const bool new_thread = !std::exchange(thread.begun, true);
  if (new_thread) ++process.live;
  if (!process.begun) {
    process.begun = true;
    process.image = thread.image;
    if (begin_by_maker(thread, true)) return;
    note(Note::ProcessesFound);
    begin_program(thread, process);
  } else if (process.ended || process.image != thread.image) {
    if (process.ended) note(Note::Revived);
    process.lingering.reset();
    begin_program(thread, process);
  } else if (new_thread) {
    begin_thread(thread, process);
  }
}

template <class Sink>
void Import<Sink>::begin_thread(Thread& thread, Process& process) {
  if (process.lingering && process.lingering->thread == thread.id) {
    process.lingering.reset();  // it had not ended
    return;
  }
  if (!begin_by_maker(thread, false)) {
    note(Note::ThreadsFound);
    // A process of no threads would be none.
    if (process.lingering)
      fork(process.lingering->thread,
           {.child = thread.id, .clone_flags = kThreadFlags, .shares_memory = true});
  }
  if (process.lingering) end_lingering(process, false);
}

template <class Sink>
void Import<Sink>::begin_program(Thread& thread, Process& process) {
  process.ended = false;
  process.image = thread.image;
  process.mapped.assign(modules_[thread.image].size(), false);
  forget_range();
  ExecEvent exec;
  exec.program = programs_[thread.image];
  exec.arguments.push_back(exec.program);
  told_ = &thread;
  sink_.thread(thread.id);
  sink_.event(exec);
}

// The earliest call that can have made the thread, if there is one, is taken to have made it.
template <class Sink>
bool Import<Sink>::begin_by_maker(Thread& thread, bool new_process) {
  const auto can_be = [&](const Maker& maker) {
    if (maker.thread == &thread) return false;
    if (!maker.thread->begun) {
      const auto& lingering = processes_[maker.thread->id.pid].lingering;
      if (!lingering || lingering->thread != maker.thread->id) return false;
    }
    if (maker.child) return *maker.child == thread.raw_tid;
    if (!new_process && maker.thread->id.pid != thread.id.pid) return false;
    const bool fork = maker.kind == CallKind::Fork || maker.kind == CallKind::Vfork;
    if (fork || maker.flags) {
      const bool makes_process = fork || (*maker.flags & abi::kCloneThread) == 0;
      return makes_process == new_process;
    }
    return true;
  };
  const auto maker = std::find_if(makers_.begin(), makers_.end(), can_be);
  if (maker == makers_.end()) return false;
  ForkEvent fork;
  fork.child = thread.id;
  fork.clone_flags = maker->flags ? *maker->flags
                     : maker->kind == CallKind::Vfork
                         ? abi::kSignalChild | abi::kCloneVm | abi::kCloneVfork
                     : new_process ? abi::kSignalChild
                                   : kThreadFlags;
  fork.shares_memory = (fork.clone_flags & abi::kCloneVm) != 0;
  const ThreadId parent = maker->thread->id;
  if (new_process) inherit(processes_[parent.pid], processes_[thread.id.pid]);
  makers_.erase(maker);
  this->fork(parent, fork);
  return true;
}

template <class Sink>
void Import<Sink>::fork(ThreadId parent, const ForkEvent& event) {
  sink_.thread(parent);
  told_ = nullptr;
  sink_.event(event);
}

template <class Sink>
void Import<Sink>::end_thread(Thread& thread) {
  ready_ = have_instruction_ = false;
  if (thread.in_call) give_up_call(thread);
  thread.in_kernel = false;
  if (const auto waiting = waiting_threads_.find(thread.raw_tid);
      waiting != waiting_threads_.end() && waiting->second != 0)
    return;  // it goes on in another file
  if (!thread.begun) {
    note(Note::ThreadsWithout);
    return;
  }
  Process& process = processes_[thread.id.pid];
  thread.begun = false;
  --process.live;
  if (process.live == 0 && process.waiting != 0) {
    process.lingering = {thread.id, thread.status};
    return;
  }
  if (process.live == 0) {
    process.ended = true;
    process.status = thread.status;
  }
  sink_.thread(thread.id);
  told_ = nullptr;
  sink_.event(ExitEvent{.status = thread.status, .whole_process = process.live == 0});
  thread.length = 0;
  thread.pc_only = false;
}

template <class Sink>
void Import<Sink>::end_lingering(Process& process, bool whole_process) {
  const Ending ending = *std::exchange(process.lingering, std::nullopt);
  process.ended = whole_process;
  process.status = ending.status;
  sink_.thread(ending.thread);
  told_ = nullptr;
  sink_.event(ExitEvent{.status = ending.status, .whole_process = whole_process});
}

template <class Sink>
void Import<Sink>::emit(Thread& thread, const Event& event) {
  become(thread);
  sink_.event(event);
  have_instruction_ = false;
}

template <class Sink>
void Import<Sink>::open_call(Thread& thread, uint64_t number) {
  if (thread.in_call) give_up_call(thread);
  thread.call = Call{};
  thread.call.number = number;
  thread.call.type = call_type(isa_, number);
  thread.in_call = true;
  if (thread.call.type == nullptr || !makes_thread(thread.call.type->kind)) return;
  if (makers_.size() >= kMostMakers) makers_.pop_front();
  makers_.push_back({&thread, thread.call.type->kind, std::nullopt, std::nullopt});
}

// What the call did will not be told.
template <class Sink>
void Import<Sink>::give_up_call(Thread& thread) {
  thread.in_call = false;
  const CallType* const type = thread.call.type;
  if (type == nullptr || !changes_memory(type->kind) || type->kind == CallKind::Prctl) return;
  if (!thread.has_process || thread.in_kernel) return;
  note(Note::CallsByName);
  emit(thread, OtherCallEvent{.name = type->name, .result = 0});
}

template <class Sink>
template <class Address>
void Import<Sink>::function_marker(const Record& record) {
  if (thread_ == nullptr) return;
  Thread& thread = *thread_;
  if (record.size == kFuncId) {
    thread.in_function = record.value < kSyscallBase<Address>;
    if (!thread.in_function) {
      const uint64_t number = record.value - kSyscallBase<Address>;
      if (!thread.in_call || thread.call.number != number) open_call(thread, number);
      thread.call.described = true;
    }
  }
  if (thread.in_function || !thread.in_call) {
    note(Note::Functions);
  } else if (record.size == kFuncArg) {
    argument(thread, record.value);
  } else if (record.size == kFuncRetval) {
    const auto narrow = static_cast<Address>(record.value);
    const bool error = narrow > static_cast<Address>(-4096);
    finish_call(thread, error ? static_cast<int64_t>(narrow | ~uint64_t{static_cast<Address>(-1)})
                              : static_cast<int64_t>(narrow));
  }
}

template <class Sink>
void Import<Sink>::argument(Thread& thread, uint64_t value) {
  Call& call = thread.call;
  if (call.given == Call::kMostArguments) return;
  call.arguments[call.given++] = value;
  if (call.given != 1 || call.type == nullptr) return;
  if (call.type->kind == CallKind::Exit) {
    constexpr unsigned kByte = 8;  // as wait4 gives an exit code
    thread.status = static_cast<int32_t>((value & 0xff) << kByte);
  }
  if (call.type->kind == CallKind::Clone && !makers_.empty() && makers_.back().thread == &thread)
    makers_.back().flags = value;
}

template <class Sink>
void Import<Sink>::finish_call(Thread& thread, int64_t result) {
  thread.in_call = false;
  const CallType* const type = thread.call.type;
  if (type == nullptr || !thread.has_process || thread.in_kernel) return;
  if (changes_memory(type->kind)) {
    finish_memory_call(thread, result);
  } else if (makes_thread(type->kind)) {
    const auto maker = std::find_if(makers_.rbegin(), makers_.rend(),
                                    [&](const Maker& one) { return one.thread == &thread; });
    if (maker == makers_.rend() || maker->child) return;
    if (result < 0) makers_.erase(std::next(maker).base());
    if (result > 1) maker->child = static_cast<uint64_t>(result);
  } else if (type->kind == CallKind::Wait4 && result > 1) {
    const Pid child(number_of(static_cast<uint64_t>(result)));
    const auto process = processes_.find(child);
    if (process != processes_.end() && process->second.ended)
      emit(thread, WaitEvent{.child = child, .status = process->second.status});
  }
}

// DynamoRIO before 11.0 said 1 for success and 0 for failure, whatever the result was.
template <class Sink>
void Import<Sink>::finish_memory_call(Thread& thread, int64_t result) {
  using enum CallKind;
  const CallKind kind = thread.call.type->kind;
  const bool gives_address = kind == Mmap || kind == MmapPages || kind == Mremap || kind == Brk;
  if (result == 1 && kind != OtherMemory) bare_results_ = true;
  if (bare_results_ && (result == 0 || result == 1)) {
    note(Note::ResultsUnknown);
    if (result == 0) return;  // it failed
    if (gives_address) {
      give_up_call(thread);
      return;
    }
    result = 0;
  }
  if (std::optional<Event> event = memory_event(thread.call, result)) {
    become(thread);  // which may begin a program
    if (result >= 0) note_mapping(processes_[thread.id.pid], *event);
    emit(thread, *event);
  } else if (result >= 0) {
    give_up_call(thread);
  }
}

// --- Files

// The current thread executes something at the address, in another range than it was in.
template <class Sink>
void Import<Sink>::enter(uint64_t address) {
  Process& process = processes_[thread_->id.pid];
  const Modules& modules = modules_[process.image];
  const Modules::Found found = modules.find(VirtAddr(address));
  range_begin_ = found.within.begin.value();
  range_bytes_ = found.within.bytes();
  if (found.segment == Modules::kNone || process.mapped[found.segment]) return;
  process.mapped[found.segment] = true;
  note(Note::SegmentsPlaced);
  const Segment& segment = modules[found.segment];
  sink_.event(MmapEvent{.hint = segment.range.begin,
                        .length = segment.range.bytes(),
                        .prot = abi::kProtRead | abi::kProtExec,
                        .flags = abi::kMapPrivate | abi::kMapFixed,
                        .fd = -1,
                        .offset = segment.offset,
                        .result = static_cast<int64_t>(segment.range.begin.value()),
                        .file = *segment.path});
  have_instruction_ = false;
}

// The child of a fork has its parent's mappings, and a modules.log of its own.
template <class Sink>
void Import<Sink>::inherit(const Process& parent, Process& child) {
  const Modules& old = modules_[parent.image];
  const Modules& own = modules_[child.image];
  child.mapped.assign(own.size(), false);
  for (size_t i = 0; i < own.size(); ++i) {
    const size_t same = old.find(own[i].range.begin).segment;
    child.mapped[i] = same != Modules::kNone && same < parent.mapped.size() && parent.mapped[same];
  }
}

// A recorded call that changes mappings, which the sink is about to be told: what is mapped and
// unmapped by it, and the file, where its place and offset are a segment's.
template <class Sink>
void Import<Sink>::note_mapping(Process& process, Event& event) {
  const Modules& modules = modules_[process.image];
  if (modules.size() == 0) return;
  auto* const mmap = std::get_if<MmapEvent>(&event);
  const auto* const munmap = std::get_if<MunmapEvent>(&event);
  if (mmap == nullptr && munmap == nullptr) return;
  const VirtAddr begin =
      mmap != nullptr ? VirtAddr(static_cast<uint64_t>(mmap->result)) : munmap->start;
  const uint64_t length = mmap != nullptr ? mmap->length : munmap->length;
  const VirtAddr end = begin + std::min(length, UINT64_MAX - begin.value());
  for (size_t i = modules.first_behind(begin); i < modules.size() && modules[i].range.begin < end;
       ++i)
    process.mapped[i] = mmap != nullptr;
  forget_range();
  if (mmap == nullptr || (mmap->flags & abi::kMapAnonymous) != 0) return;
  const size_t here = modules.find(begin).segment;
  if (here == Modules::kNone) return;
  const Segment& segment = modules[here];
  if (segment.offset + (begin - segment.range.begin) != mmap->offset) return;
  note(Note::MappingsNamed);
  mmap->file = *segment.path;
}

}  // namespace mmusim::trace::drmemtrace

#endif  // MMUSIM_TRACE_IMPORT_DRMEMTRACE_THREADS_IMPL_H_
