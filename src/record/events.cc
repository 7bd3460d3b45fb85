#include "record/events.h"

#include <utility>

#include "base/error.h"

namespace mmusim::record {
namespace {

constexpr uint64_t kPrSetThpDisable = 41;
constexpr uint64_t kMmap2Unit = 4096;

uint32_t low(uint64_t argument) {
  return static_cast<uint32_t>(argument);
}

// The 64-bit argument in place `at`; moves `at` behind it.
uint64_t long_argument(const Isa& isa, const uint64_t* arguments, unsigned& at) {
  switch (isa.pairs) {
    case Pairs::Whole:
      return arguments[at++];
    case Pairs::LowFirstAligned:
    case Pairs::HighFirstAligned:
      at += at & 1;
      break;
    default:
      break;
  }
  const uint64_t first = low(arguments[at]);
  const uint64_t second = low(arguments[at + 1]);
  at += 2;
  const bool low_first = isa.pairs == Pairs::LowFirst || isa.pairs == Pairs::LowFirstAligned;
  return low_first ? second << 32 | first : first << 32 | second;
}

// As asm-generic has it.
uint32_t generic(uint32_t (*own)(uint32_t), uint64_t argument) {
  return own != nullptr ? own(low(argument)) : low(argument);
}

trace::Event mmap_event(const Isa& isa, const MadeCall& call) {
  const auto& a = call.arguments;
  return trace::MmapEvent{.hint = VirtAddr(a[0]),
                          .length = a[1],
                          .prot = low(a[2]),
                          .flags = generic(isa.mmap_flags, a[3]),
                          .fd = static_cast<int32_t>(low(a[4])),
                          .offset = call.call == Call::Mmap2 ? a[5] * kMmap2Unit : a[5],
                          .result = call.result,
                          .file = call.file};
}

trace::Event lock_event(const Isa& isa, const MadeCall& call) {
  trace::LockEvent event;
  event.result = call.result;
  const auto& a = call.arguments;
  switch (call.call) {
    case Call::Mlock2:
      event.flags = low(a[2]);
      [[fallthrough]];
    case Call::Mlock:
    case Call::Munlock:
      event.what = call.call == Call::Munlock ? trace::LockEvent::Unlock : trace::LockEvent::Lock;
      event.start = VirtAddr(a[0]);
      event.length = a[1];
      break;
    case Call::Mlockall:
      event.what = trace::LockEvent::LockAll;
      event.flags = generic(isa.lock_all_flags, a[0]);
      break;
    default:
      event.what = trace::LockEvent::UnlockAll;
      break;
  }
  return event;
}

trace::Event file_event(const Isa& isa, const MadeCall& call) {
  const auto& a = call.arguments;
  unsigned at = 1;
  switch (call.call) {
    case Call::Fallocate: {
      trace::FallocateEvent event;
      event.fd = static_cast<int32_t>(low(a[0]));
      event.mode = low(a[1]);
      at = 2;
      event.offset = long_argument(isa, a, at);
      event.length = long_argument(isa, a, at);
      event.result = call.result;
      event.file = call.file;
      return event;
    }
    case Call::Ftruncate:
      return trace::TruncateEvent{static_cast<int32_t>(low(a[0])), a[1], call.result, call.file};
    case Call::Ftruncate64:
      return trace::TruncateEvent{static_cast<int32_t>(low(a[0])), long_argument(isa, a, at),
                                  call.result, call.file};
    case Call::Truncate64:
      return trace::TruncateEvent{-1, long_argument(isa, a, at), call.result, call.file};
    default:
      return trace::TruncateEvent{-1, a[1], call.result, call.file};
  }
}

std::optional<trace::Event> other_event(const MadeCall& call) {
  const auto& a = call.arguments;
  if (call.call == Call::Prctl) {
    if (a[0] != kPrSetThpDisable) return std::nullopt;
    return trace::ThpEvent{a[1] != 0 ? 1u : 0u, low(a[2]), call.result};
  }
  const bool failed = trace::failed(call.result);
  if (call.call == Call::ProcessMadvise) {
    if (failed) return std::nullopt;
    return trace::OtherCallEvent{"process_madvise", call.result};
  }
  const char* const name = name_of_other(call.call);
  if (name == nullptr || failed) return std::nullopt;
  return trace::OtherCallEvent{name, call.result};
}

}  // namespace

uint64_t WordReader::word() {
  if (at_ >= words_.size()) throw InternalError("an event of the plug-in's is too short");
  return words_[at_++];
}

std::string WordReader::text() {
  const uint64_t bytes = word();
  const uint64_t words = (bytes + 7) / 8;
  if (words > words_.size() - at_) throw InternalError("a text of the plug-in's is too short");
  std::string text(reinterpret_cast<const char*>(words_.data() + at_), bytes);
  at_ += words;
  return text;
}

MadeCall read_call(WordReader& words) {
  MadeCall made;
  made.call = static_cast<Call>(words.word());
  made.result = static_cast<int64_t>(words.word());
  for (uint64_t& argument : made.arguments)
    argument = words.word();
  made.file = words.text();
  return made;
}

std::optional<trace::Event> memory_event(const Isa& isa, MadeCall call) {
  // brk's is never an error.
  if (isa.error != nullptr && call.call != Call::Brk && trace::failed(call.result))
    call.result = -static_cast<int64_t>(isa.error(low(static_cast<uint64_t>(-call.result))));
  const auto& a = call.arguments;
  switch (call.call) {
    case Call::Mmap:
    case Call::Mmap2:
    case Call::MmapOld:
      return mmap_event(isa, call);
    case Call::Munmap:
      return trace::MunmapEvent{VirtAddr(a[0]), a[1], call.result};
    case Call::Mprotect:
      return trace::MprotectEvent{VirtAddr(a[0]), a[1], low(a[2]), call.result};
    case Call::Mremap:
      return trace::MremapEvent{VirtAddr(a[0]), a[1], a[2], low(a[3]), VirtAddr(a[4]), call.result};
    case Call::Brk:
      return trace::BrkEvent{VirtAddr(a[0]), VirtAddr(static_cast<uint64_t>(call.result))};
    case Call::Madvise:
      return trace::MadviseEvent{VirtAddr(a[0]), a[1],
                                 isa.advice != nullptr ? isa.advice(low(a[2])) : low(a[2]),
                                 call.result};
    case Call::Msync:
      return trace::MsyncEvent{VirtAddr(a[0]), a[1], generic(isa.sync_flags, a[2]), call.result};
    case Call::Mlock:
    case Call::Mlock2:
    case Call::Munlock:
    case Call::Mlockall:
    case Call::Munlockall:
      return lock_event(isa, call);
    case Call::Truncate:
    case Call::Ftruncate:
    case Call::Truncate64:
    case Call::Ftruncate64:
    case Call::Fallocate:
      return file_event(isa, call);
    default:
      return other_event(call);
  }
}

trace::ExecEvent image_event(WordReader& words) {
  trace::ExecEvent event;
  event.program = words.text();
  const uint64_t arguments = words.word();
  for (uint64_t i = 0; i < arguments; ++i)
    event.arguments.push_back(words.text());
  const uint64_t areas = words.word();
  for (uint64_t i = 0; i < areas; ++i) {
    trace::ImageArea area;
    area.range.begin = VirtAddr(words.word());
    area.range.end = VirtAddr(words.word());
    area.prot = low(words.word());
    area.flags = low(words.word());
    area.file_offset = words.word();
    area.name = words.text();
    if (event.image.size() < 60000) event.image.push_back(std::move(area));
  }
  return event;
}

}  // namespace mmusim::record
