// Those functions of drmemtrace_import.h's template that take records, up to those of threads and
// calls (drmemtrace_threads_impl.h); included there only.
#ifndef MMUSIM_TRACE_IMPORT_DRMEMTRACE_RECORDS_IMPL_H_
#define MMUSIM_TRACE_IMPORT_DRMEMTRACE_RECORDS_IMPL_H_

#include "trace/import/drmemtrace_import_class.h"

namespace mmusim::trace::drmemtrace {

template <class Sink>
Import<Sink>::Import(Recording recording, Isa isa, Sink& sink, const Options& options)
    : isa_(isa), sink_(sink), options_(options) {
  // No instruction is longer, so that none below can go beyond the end of the address space.
  constexpr uint64_t kLongest = kMaxInstructionBytes;
  whole_system_ = (recording.file_types & kWholeSystem) != 0;
  highest_ = whole_system_ ? UINT64_MAX / 2 : UINT64_MAX - kLongest;
  tag_ = isa == Isa::Aarch64 ? uint64_t{0xff} << 56 : 0;
  least_length_ = isa == Isa::Aarch64 ? 4 : isa == Isa::Arm ? 2 : 1;
  plan(recording);
}

template <class Sink>
void Import<Sink>::plan(Recording& recording) {
  programs_ = std::move(recording.programs);
  modules_ = std::move(recording.modules);
  note(Note::FilesLeftOut, recording.files_left_out);
  for (const Modules& modules : modules_)
    note(Note::SegmentsLeftOut, modules.overlapping());
  for (const std::string& warning : recording.warnings)
    warn(warning);
  const bool several = recording.inputs.size() > 1;
  for (Input& input : recording.inputs) {
    Head& head = input.head;
    if ((head.file_type & kCoreSharded) != 0) head.thread.reset();  // only the first of many
    stored_total_ += input.stored_bytes;
    if (!head.time && several)
      warn(fmt::format("{} has no time stamp at its beginning; it was taken to come first.",
                       input.path));
    if (head.thread) ++waiting_threads_[*head.thread];
    if (head.process) ++processes_[Pid(number_of(*head.process))].waiting;
    if (input.records) ++open_files_;
    Stream stream;
    stream.time = head.time.value_or(0);
    stream.cpu = head.cpu;
    stream.input = std::move(input);
    streams_.push_back(std::move(stream));
  }
  if ((recording.file_types & (kFiltered | kIFiltered | kDFiltered)) != 0)
    warn("The recording was filtered (by caches, -L0_filter): most references are not in it.");
  if ((recording.file_types & kInstructionOnly) != 0)
    warn("The recording has instructions only: it has no data accesses.");
}

template <class Sink>
ImportResult Import<Sink>::run() {
  // Time, CPU, thread, and place among the files.
  using Turn = std::tuple<uint64_t, uint64_t, uint64_t, size_t>;
  const auto turn_of = [&](size_t place) {
    const Stream& stream = streams_[place];
    return Turn(stream.time, stream.cpu, stream.input.head.thread.value_or(0), place);
  };
  std::priority_queue<Turn, std::vector<Turn>, std::greater<>> turns;
  for (size_t i = 0; i < streams_.size(); ++i)
    turns.push(turn_of(i));
  while (!turns.empty()) {
    const size_t chosen = std::get<3>(turns.top());
    turns.pop();
    Stream& stream = streams_[chosen];
    bool more = true;
    do {
      more = segment(stream);
    } while (more && (turns.empty() || turn_of(chosen) < turns.top()));
    if (!more) continue;
    if (open_files_ > kMaxOpenFiles) stream.input.records->source().release();
    turns.push(turn_of(chosen));
  }
  for (auto& [pid, process] : processes_)
    if (process.lingering) end_lingering(process, true);
  note(Note::Encodings, records_[kEncoding]);
  for (size_t i = 0; i < notes_.size(); ++i)
    result_.remarks.push_back({text_of(static_cast<Note>(i)), notes_[i]});
  return std::move(result_);
}

// The records up to the next time stamp, that included. False: the file has ended.
template <class Sink>
bool Import<Sink>::segment(Stream& stream) {
  Input& input = stream.input;
  if (!stream.begun) {
    stream.begun = true;
    if (!input.records) {
      input.records = std::make_unique<RecordBuffer>(input.path);
      if (input.records->is_64_bit() != input.head.is_64_bit)
        throw Error(input.path, "has changed since it was looked at");
      ++open_files_;
    }
    if (input.head.thread) --waiting_threads_[*input.head.thread];
    if (input.head.process) --processes_[Pid(number_of(*input.head.process))].waiting;
    result_.input_bytes += static_cast<uint64_t>(input.records->end() - input.records->begin());
  }
  turn_to(stream.thread);
  const bool more =
      input.head.is_64_bit ? segment_of<uint64_t>(stream) : segment_of<uint32_t>(stream);
  if (!more) {
    ended(stream, *input.records);
    input.records.reset();
    --open_files_;
  }
  return more;
}

// Of the time stamp before it, where it says so.
template <class Address>
uint64_t cpu_of(const Record& record) {
  return record.type == kMarker && record.size == kCpuId ? record.value : UINT64_MAX;
}

template <class Sink>
template <class Address>
bool Import<Sink>::segment_of(Stream& stream) {
  RecordBuffer& records = *stream.input.records;
  const char* at = records.begin();
  const char* end = records.end();
  const char* counted = at;
  const auto count = [&] {
    result_.input_records += static_cast<uint64_t>(at - counted) / kRecordBytes<Address>;
    counted = at;
  };
  for (;;) {
    if (at == end) {
      count();
      records.consume(at);
      if (!refill(stream)) return false;
      counted = at = records.begin();
      end = records.end();
    }
    const char* const here = at;
    const Record record = load_record<Address>(at);
    at += kRecordBytes<Address>;
    stream.last_type = record.type;
    ++records_[std::min<unsigned>(record.type, kTypes)];
    switch (record.type) {
      case kInstr:
      case kInstrDirectJump:
      case kInstrIndirectJump:
      case kInstrConditionalJump:
      case kInstrDirectCall:
      case kInstrIndirectCall:
      case kInstrReturn:
      case kInstrSysenter:
      case kInstrTakenJump:
      case kInstrUntakenJump:
        instruction(stream, record, here);
        break;
      case kRead:
      case kWrite:
        access(stream, record, here);
        break;
      case kEncoding:
        break;
      default:
        if (!other<Address>(stream, record, here)) break;
        count();
        records.consume(at);
        if (records.begin() == end && !refill(stream)) return false;
        stream.cpu = cpu_of<Address>(load_record<Address>(records.begin()));
        return true;
    }
  }
}

// False: there are no more.
template <class Sink>
bool Import<Sink>::refill(Stream& stream) {
  check_interrupt();
  RecordBuffer& records = *stream.input.records;
  const bool more = records.refill();
  result_.input_bytes += static_cast<uint64_t>(records.end() - records.begin());
  if (options_.progress) {
    // An archive's directory is read besides.
    const uint64_t done = std::min(records.source().stored_bytes_read(), stream.input.stored_bytes);
    stored_done_ += done - stream.done;
    stream.done = done;
    options_.progress(stored_done_, stored_total_);
  }
  return more;
}

template <class Sink>
void Import<Sink>::ended(Stream& stream, const RecordBuffer& records) {
  Thread* const last = stream.thread;
  if (last != nullptr && last->begun && last->in_call) give_up_call(*last);
  std::string what;
  if (records.rest() != 0) {
    what = "ends in the middle of a record";
  } else if (stream.last_type != kFooter) {
    what = "ends without the footer that ends a trace: it was cut off";
  }
  if (what.empty()) return;
  if (options_.strict) throw Error(records.place_of(records.end()), what);
  warn(fmt::format("{} {}.", stream.input.path, what));
}

template <class Sink>
inline void Import<Sink>::instruction(const Stream& stream, const Record& record, const char* at) {
  if (record.size - 1u >= kMaxInstructionBytes || record.value > highest_) [[unlikely]] {
    odd_instruction(stream, record, at);
  } else {
    fetch(stream, record, at);
  }
}

template <class Sink>
inline void Import<Sink>::fetch(const Stream& stream, const Record& record, const char* at) {
  if (!ready_ && !make_ready(stream, at)) [[unlikely]]
    return;
  if (record.value - range_begin_ >= range_bytes_) [[unlikely]]
    enter(record.value);
  sink_.instruction(VirtAddr(record.value), record.size);
  thread_->pc = record.value;
  thread_->length = record.size;
  have_instruction_ = true;
}

// One without a size names the instruction of the access that follows: in filtered traces, where
// the fetch itself was filtered out.
template <class Sink>
void Import<Sink>::odd_instruction(const Stream& stream, const Record& record, const char* at) {
  if (record.size > kMaxInstructionBytes) {
    refuse(stream, at, fmt::format("an instruction of {} bytes", record.size));
  } else if (record.value > highest_ && whole_system_) {  // the kernel's
    note(Note::KernelInstructions);
    ready_ = have_instruction_ = false;
    if (thread_ != nullptr) thread_->in_kernel = true;
  } else if (record.size != 0 && record.value + (record.size - 1u) < record.value) {
    refuse(stream, at, "an instruction that goes beyond the end of the address space");
  } else if (record.size != 0) {
    fetch(stream, record, at);
  } else if (thread_ != nullptr && !(have_instruction_ && thread_->pc == record.value)) {
    thread_->pc = record.value;
    thread_->length = 0;
    thread_->pc_only = true;
    have_instruction_ = false;
  }
}

template <class Sink>
inline void Import<Sink>::access(const Stream& stream, const Record& record, const char* at) {
  if (!have_instruction_ && !state_instruction(stream, at)) [[unlikely]]
    return;
  const AccessKind kind = record.type == kRead ? AccessKind::Load : AccessKind::Store;
  uint64_t address = record.value;
  // What stands in a tag is translated as if it were a copy of bit 55.
  if ((address & tag_) != 0) [[unlikely]] {
    const uint64_t plain = (address >> 55 & 1) != 0 ? address | tag_ : address & ~tag_;
    if (plain != address) note(Note::TagsTakenOff);
    address = plain;
  }
  if (record.size - 1u < kMaxAccessBytes) [[likely]] {
    sink_.access(kind, VirtAddr(address), record.size);
    return;
  }
  if (record.size == 0) note(Note::EmptyAccesses);
  for (uint32_t done = 0; done < record.size; done += kMaxAccessBytes)
    sink_.access(kind, VirtAddr(address) + done,
                 std::min<uint32_t>(kMaxAccessBytes, record.size - done));
}

// An access comes, and its instruction is not the last thing the sink was told.
template <class Sink>
bool Import<Sink>::state_instruction(const Stream& stream, const char* at) {
  if (thread_ != nullptr && thread_->in_kernel) {
    note(Note::KernelAccesses);
    return false;
  }
  if (thread_ == nullptr || (thread_->length == 0 && !thread_->pc_only)) {
    note(Note::EarlyAccesses);
    return false;
  }
  if (!make_ready(stream, at)) return false;
  const bool assumed = thread_->length == 0;
  note(assumed ? Note::AssumedFetches : Note::RepeatedFetches);
  // One of an assumed length is taken to end where the address space does, at most.
  if (assumed && thread_->pc + (least_length_ - 1) < thread_->pc) thread_->pc -= least_length_;
  if (thread_->pc - range_begin_ >= range_bytes_) enter(thread_->pc);
  sink_.instruction(VirtAddr(thread_->pc), assumed ? least_length_ : thread_->length);
  have_instruction_ = true;
  return true;
}

// Several instructions, each behind the one before.
template <class Sink>
template <class Address>
void Import<Sink>::bundle(const Stream& stream, const Record& record, const char* at) {
  if (record.size > sizeof(Address) || thread_ == nullptr || thread_->length == 0) {
    refuse(stream, at, "a bundle of instructions with nothing before it, or of too many");
    return;
  }
  for (unsigned i = 0; i < record.size; ++i) {
    Record one;
    one.type = kInstr;
    one.size = static_cast<uint8_t>(record.value >> 8 * i);
    one.value = thread_->pc + thread_->length;
    if (one.size == 0) {
      refuse(stream, at, "an instruction of no bytes in a bundle");
      return;
    }
    instruction(stream, one, at);
  }
}

template <class Sink>
void Import<Sink>::no_fetch(const Stream& stream, const Record& record, const char* at) {
  if (have_instruction_ && thread_->pc == record.value) {
    note(Note::Rounds);
    return;
  }
  instruction(stream, record, at);
  if (have_instruction_) note(Note::RepeatedFetches);
}

template <class Sink>
template <class Address>
bool Import<Sink>::other(Stream& stream, const Record& record, const char* at) {
  const unsigned type = record.type;
  switch (type) {
    case kMarker:
      return marker<Address>(stream, record);
    case kInstrNoFetch:
      no_fetch(stream, record, at);
      return false;
    case kInstrMaybeFetch:
      if (have_instruction_ && thread_->pc == record.value) {
        note(Note::Rounds);
      } else {
        instruction(stream, record, at);
      }
      return false;
    case kInstrBundle:
      bundle<Address>(stream, record, at);
      return false;
    case kThread:
      turn_to(&thread_of(record.value));
      stream.thread = thread_;
      return false;
    case kPid:
      set_process(stream, record.value, at);
      return false;
    case kThreadExit:
      end_thread(thread_of(record.value));
      return false;
    case kHeader:
    case kFooter:
      return false;
    case kInstrFlush:
    case kDataFlush:
      note(Note::Flushes);
      return false;
    case kInstrFlushEnd:
    case kDataFlushEnd:
      return false;
    default:
      break;
  }
  if ((type >= kPrefetch && type <= kPrefetchInstr) || type == kHardwarePrefetch ||
      (type >= kPrefetchReadL1Nt && type <= kPrefetchWriteL3Nt)) {
    note(Note::Prefetches);
  } else {
    refuse(stream, at, fmt::format("a record of the unknown type {}", type));
  }
  return false;
}

template <class Sink>
template <class Address>
bool Import<Sink>::marker(Stream& stream, const Record& record) {
  switch (record.size) {
    case kBranchTarget:
      note(Note::BranchTargets);
      return false;
    case kTimestamp:
      return time_stamp<Address>(stream, record.value);
    case kCpuId:
      stream.repeated_time = false;
      cpu<Address>(record.value);
      return false;
    case kChunkFooter:
      stream.repeated_time = true;
      return false;
    case kFuncId:
    case kFuncReturnAddress:
    case kFuncArg:
    case kFuncRetval:
      function_marker<Address>(record);
      return false;
    case kSyscall:
      if (thread_ != nullptr) open_call(*thread_, record.value);
      return false;
    case kSyscallTraceStart:
    case kContextSwitchStart:
    case kSyscallTraceEnd:
    case kContextSwitchEnd:
      if (thread_ != nullptr)
        thread_->in_kernel =
            record.size == kSyscallTraceStart || record.size == kContextSwitchStart;
      ready_ = have_instruction_ = false;
      return false;
    case kWindowId:
      if (record.value > window_) {  // the first of the threads to be there
        window_ = record.value;
        point(fmt::format("window {}", record.value));
      }
      return false;
    case kFilterEndpoint:
      point("filter endpoint");
      return false;
    default:
      note(note_of_marker(record.size));
      return false;
  }
}

// True: another file's turn may be next.
template <class Sink>
template <class Address>
bool Import<Sink>::time_stamp(Stream& stream, uint64_t value) {
  if (thread_ != nullptr && thread_->in_call && !thread_->call.described) give_up_call(*thread_);
  if (stream.repeated_time) return false;
  if constexpr (sizeof(Address) == 4) {
    // The low half: of the times it may be, the one nearest to the last.
    constexpr uint64_t kHalf = uint64_t{1} << 31;
    const uint64_t from = latest_ < kHalf ? 0 : latest_ - kHalf;
    value = from + static_cast<uint32_t>(value - from);
  }
  if (value < stream.time) note(Note::TimesBack);
  stream.time = std::max(stream.time, value);
  latest_ = std::max(latest_, stream.time);
  return true;
}

template <class Sink>
template <class Address>
void Import<Sink>::cpu(uint64_t value) {
  constexpr uint64_t kUnknown = static_cast<Address>(-1);
  constexpr uint64_t kCpuBits = 0xfff;  // the rest is the socket
  if (value == kUnknown || thread_ == nullptr) return;
  const auto number = static_cast<uint32_t>(value & kCpuBits);
  if (thread_->cpu == number) return;
  thread_->cpu = number;
  thread_->cpu_is_news = true;
  ready_ = have_instruction_ = false;
}

// A point of the trace that measurements may want.
template <class Sink>
void Import<Sink>::point(const std::string& text) {
  if (thread_ != nullptr && thread_->has_process && !thread_->in_kernel)
    emit(*thread_, MarkerEvent{.text = text});
}

template <class Sink>
void Import<Sink>::refuse(const Stream& stream, const char* at, const std::string& what) {
  if (options_.strict) throw Error(stream.input.records->place_of(at), what);
  ++result_.skipped_records;
}

}  // namespace mmusim::trace::drmemtrace

#endif  // MMUSIM_TRACE_IMPORT_DRMEMTRACE_RECORDS_IMPL_H_
