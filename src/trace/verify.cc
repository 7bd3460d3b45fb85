#include "trace/verify.h"

#include <algorithm>
#include <array>
#include <optional>
#include <unordered_map>

#include "base/error.h"
#include "base/linux_abi.h"
#include "trace/dump.h"
#include "trace/part.h"
#include "trace/prepare.h"
#include "trace/processes.h"
#include "trace/text_fields.h"

namespace mmusim::trace {
namespace {

struct OddityText {
  const char* key;
  const char* sentence;
};
constexpr std::array<OddityText, kOddities> kOddityTexts{{
    {"after_end", "A thread does something after its end."},
    {"born_alive", "A process or thread is born while it lives."},
    {"not_born", "A process or thread runs that no fork made and no exec began."},
    {"never_runs", "A child never does anything."},
    {"waits_for_stranger", "A process waits for one that is not its child."},
    {"waits_too_early", "A process has waited for a child that has not ended."},
    {"odd_image", "A program's image has areas that are empty, overlap or are not of whole pages."},
    {"outside_areas", "A reference is outside all areas."},
    {"no_right", "A reference is to an area that does not allow it."},
    {"odd_result", "A system call's result is neither success nor an error there is."},
    {"odd_range", "A call succeeded on a range that is empty, not of whole pages or too long."},
    {"mapped_over", "Something is mapped, without being told where, over what is there."},
    {"mapped_elsewhere", "Something is mapped elsewhere than where it had to be."},
    {"moved_nothing", "Memory is remapped that nobody mapped."},
    {"odd_break", "The break is neither where it was nor where it was asked for."},
    {"too_many_areas", "A process has so many areas that they are no longer followed."},
}};

bool allows(uint32_t prot, AccessKind kind) {
  if (kind == AccessKind::Fetch) return (prot & abi::kProtExec) != 0;
  // Whatever may be used may be read, as on most machines.
  return (prot & (writes(kind) ? uint32_t{abi::kProtWrite} : abi::kProtRights)) != 0;
}

// The largest number of an error on any of Linux's architectures, but for the one that MIPS has.
constexpr int64_t kLastError = 139;
constexpr int64_t kMipsQuota = 1133;
bool is_odd_error(int64_t result) {
  return failed(result) && -result > kLastError && -result != kMipsQuota;
}

class Remarks {
 public:
  // `number`: of the instruction.
  template <class... Arguments>
  void add(Oddity oddity, uint64_t number, fmt::format_string<Arguments...> format,
           Arguments&&... arguments) {
    OddityRemark& remark = remarks_[static_cast<size_t>(oddity)];
    // Not always found in order: a child that never ran is known at the end.
    if (remark.count++ != 0 && remark.first <= number) return;
    remark.oddity = oddity;
    remark.first = number;
    remark.example = fmt::format(format, std::forward<Arguments>(arguments)...);
  }
  void take(VerifyReport& report) {
    for (OddityRemark& remark : remarks_) {
      if (remark.count == 0) continue;
      report.remark_count += remark.count;
      report.remarks.push_back(std::move(remark));
    }
  }

 private:
  std::array<OddityRemark, kOddities> remarks_{};
};

// The life of threads.
class Lives {
 public:
  explicit Lives(Remarks& remarks) : remarks_(remarks) {}

  // It does something; `event` or, where that is null, runs.
  void acts(ThreadId id, const Event* event, uint64_t number) {
    if (event == nullptr && id == last_) return;
    ended_within(id, number);
    const auto [thread, is_new] = threads_.try_emplace(key(id));
    if (is_new) {
      const bool begins = event != nullptr && std::holds_alternative<ExecEvent>(*event);
      if (threads_.size() > 1 && !begins)
        remarks_.add(Oddity::NotBorn, number, "Nothing says where thread {}/{} comes from.",
                     id.pid.value(), id.tid.value());
    } else if (thread->second.state == State::Ended) {
      remarks_.add(Oddity::AfterEnd, number, "Thread {}/{} does something after its end.",
                   id.pid.value(), id.tid.value());
    }
    thread->second.state = State::Ran;
    last_ = id;
  }

  void event(ThreadId id, const Event& event, uint64_t number) {
    if (const auto* fork = std::get_if<ForkEvent>(&event)) {
      born(fork->child, fork->child.pid != id.pid, number);
    } else if (const auto* exit = std::get_if<ExitEvent>(&event)) {
      threads_[key(id)].state = State::Ended;
      if (exit->whole_process) ended_.insert_or_assign(id.pid, true);
      last_.reset();  // a thread that acts now is looked up
    }
  }

  void finish() {
    for (const auto& [id, life] : threads_) {
      if (life.state == State::Born)
        remarks_.add(Oddity::NeverRuns, life.born, "Thread {}/{}, made there, never does anything.",
                     id >> 32, id & UINT32_MAX);
    }
  }

 private:
  enum class State : uint8_t { New, Born, Ran, Ended };
  struct Life {
    State state = State::New;
    uint64_t born = 0;
  };

  static uint64_t key(ThreadId id) { return uint64_t{id.pid.value()} << 32 | id.tid.value(); }

  // A thread of a process that ended as a whole, by another thread.
  void ended_within(ThreadId id, uint64_t number) {
    const auto ended = ended_.find(id.pid);
    if (ended == ended_.end() || !ended->second) return;
    ended->second = false;
    const auto thread = threads_.find(key(id));
    if (thread != threads_.end() && thread->second.state == State::Ended) return;  // told there
    remarks_.add(Oddity::AfterEnd, number, "Process {} does something after its end.",
                 id.pid.value());
  }

  void born(ThreadId child, bool process, uint64_t number) {
    const auto ended = ended_.find(child.pid);
    const bool process_ended = ended != ended_.end() && ended->second;
    if (process && ended != ended_.end()) ended->second = false;
    const auto [thread, is_new] = threads_.try_emplace(key(child));
    if (!is_new && thread->second.state != State::Ended && !process_ended)
      remarks_.add(Oddity::BornAlive, number, "Thread {}/{} is born while it lives.",
                   child.pid.value(), child.tid.value());
    thread->second = {State::Born, number};
  }

  Remarks& remarks_;
  std::unordered_map<uint64_t, Life> threads_;
  std::unordered_map<Pid, bool> ended_;  // processes, by exit; false: lives again
  std::optional<ThreadId> last_{};       // that acted, and has not ended
};

// What an event says against what is known before it.
class EventCheck {
 public:
  EventCheck(Remarks& remarks, const Processes& processes, ThreadId thread, uint64_t number)
      : remarks_(remarks), all_(processes), thread_(thread), number_(number) {
    const Process* const process = processes.find(thread.pid);
    if (process != nullptr && !process->zombie) space_ = process->space.get();
  }

  void operator()(const ExecEvent& e);
  void operator()(const MmapEvent& e);
  void operator()(const MremapEvent& e);
  void operator()(const BrkEvent& e);
  void operator()(const WaitEvent& e);
  void operator()(const MunmapEvent& e) { zero_or_error(e, true); }
  void operator()(const MprotectEvent& e) { zero_or_error(e, true); }
  void operator()(const MadviseEvent& e) { zero_or_error(e, true); }
  void operator()(const MsyncEvent& e) { zero_or_error(e, true); }
  void operator()(const LockEvent& e) { zero_or_error(e, false); }
  void operator()(const TruncateEvent& e) { zero_or_error(e, false); }
  void operator()(const FallocateEvent& e) { zero_or_error(e, false); }
  void operator()(const ThpEvent& e) { zero_or_error(e, false); }
  void operator()(const ProcessMadviseEvent& e) {
    if (is_odd_error(e.result) || e.result > 0x7ffff000) odd_result(e);
  }
  void operator()(const OtherCallEvent& e) {
    if (is_odd_error(e.result)) odd_result(e);
  }
  void operator()(const ForkEvent&) {}
  void operator()(const ExitEvent&) {}
  void operator()(const SwitchEvent&) {}
  void operator()(const MarkerEvent&) {}

 private:
  [[nodiscard]] std::string said(const Event& event) const {
    return fmt::format("Thread {}/{}: {}.", thread_.pid.value(), thread_.tid.value(),
                       describe(event));
  }
  void add(Oddity oddity, const Event& event) { remarks_.add(oddity, number_, "{}", said(event)); }
  void odd_result(const Event& event) { add(Oddity::OddResult, event); }

  template <class Call>
  void zero_or_error(const Call& e, bool with_pages) {
    if ((e.result != 0 && !failed(e.result)) || is_odd_error(e.result)) return odd_result(e);
    if constexpr (requires { e.start; }) {
      if (with_pages && e.result == 0 && e.length != 0 && !all_.pages_of(e.start, e.length))
        add(Oddity::OddRange, e);
    }
  }

  Remarks& remarks_;
  const Processes& all_;
  ThreadId thread_;
  uint64_t number_;
  const Space* space_ = nullptr;  // null: not known yet
};

void EventCheck::operator()(const ExecEvent& e) {
  AreaMap areas;
  for (const ImageArea& area : e.image) {
    const bool whole =
        is_aligned(area.range.begin, all_.page()) && is_aligned(area.range.end, all_.page());
    const char* what = nullptr;
    if (area.range.empty())
      what = "an empty area";
    else if (areas.overlaps(area.range))
      what = "overlapping areas";
    else if (!whole)
      what = "an area of parts of pages";
    if (what != nullptr)
      remarks_.add(Oddity::OddImage, number_, "The image of process {} has {} at {:#x}.",
                   thread_.pid.value(), what, area.range.begin.value());
    if (!area.range.empty()) areas.put({.range = area.range});
  }
}

void EventCheck::operator()(const MmapEvent& e) {
  if (failed(e.result)) {
    if (is_odd_error(e.result)) odd_result(e);
    return;
  }
  const VirtAddr at(static_cast<uint64_t>(e.result));
  const auto range = all_.pages_of(at, e.length);
  if (!range) return add(Oddity::OddRange, e);
  const bool fixed = (e.flags & abi::kMapFixed) != 0;
  if (fixed && at != e.hint) add(Oddity::MappedElsewhere, e);
  if (!fixed && space_ != nullptr && space_->areas.overlaps(*range)) add(Oddity::MappedOver, e);
}

void EventCheck::operator()(const MremapEvent& e) {
  if (failed(e.result)) {
    if (is_odd_error(e.result)) odd_result(e);
    return;
  }
  const VirtAddr at(static_cast<uint64_t>(e.result));
  const auto to = all_.pages_of(at, e.new_length);
  const uint64_t old_length = e.old_length == 0 ? all_.page().bytes() : e.old_length;
  const auto from = all_.pages_of(e.old_start, old_length);
  if (!to || !from) return add(Oddity::OddRange, e);
  if (space_ == nullptr) return;
  if (space_->recorded && space_->areas.find(from->begin) == nullptr) add(Oddity::MovedNothing, e);
  const VirtRange grown{std::max(from->end, to->begin), to->end};
  const VirtRange news = at == e.old_start ? grown : *to;
  if ((e.flags & abi::kRemapFixed) == 0 && !news.empty() && space_->areas.overlaps(news))
    add(Oddity::MappedOver, e);
}

void EventCheck::operator()(const BrkEvent& e) {
  if (space_ == nullptr || space_->brk_start == VirtAddr(0)) return;
  const bool moved = e.result == e.requested;
  if ((!moved && e.result != space_->brk) || e.result < space_->brk_start)
    return add(Oddity::OddBreak, e);
  const VirtRange grown{align_up(space_->brk, all_.page()), align_up(e.result, all_.page())};
  if (!grown.empty() && space_->areas.overlaps(grown)) add(Oddity::MappedOver, e);
}

void EventCheck::operator()(const WaitEvent& e) {
  const Process* const child = all_.find(e.child);
  const auto told = [&](Oddity oddity, const char* what) {
    remarks_.add(oddity, number_, "Process {} has waited for {}, which {}.", thread_.pid.value(),
                 e.child.value(), what);
  };
  if (child == nullptr || child->parent != thread_.pid)
    told(Oddity::WaitsForStranger, "is no child of its");
  else if (!child->zombie)
    told(Oddity::WaitsTooEarly, "has not ended");
}

// Whether references are in areas that allow them.
class ReferenceCheck {
 public:
  ReferenceCheck(Remarks& remarks, Processes& processes)
      : remarks_(remarks), processes_(processes) {}

  [[nodiscard]] uint64_t checked() const { return checked_; }
  // Areas may be others from now on.
  void forget() {
    known_ = {};
    last_code_ = {};
  }

  void blocks(const Batch& batch, uint64_t number) {
    if (batch.thread.pid != pid_) forget();
    pid_ = batch.thread.pid;
    space_ = processes_.of(batch.thread).space.get();
    thread_ = batch.thread;
    if (!space_->recorded) return;
    checked_ += batch.totals.references();
    const uint64_t* address = batch.addresses;
    for (const uint32_t which : batch.blocks) {
      const StaticBlock& block = batch.table[which];
      fetches(block, number);
      for (unsigned op = 0; op < block.mem_ops; ++op) {
        const MemOp& access = block.ops[op];
        check(VirtAddr(*address++), access.bytes, access.kind, number + access.instruction);
      }
      number += block.instructions;
    }
  }

 private:
  struct Known {
    VirtAddr begin;
    uint64_t bytes = 0;
    uint32_t prot = 0;
    [[nodiscard]] bool holds(VirtAddr at, uint64_t size) const {
      return at - begin < bytes && size <= bytes - (at - begin);
    }
  };

  // All of a block at once, as almost always all are right.
  void fetches(const StaticBlock& block, uint64_t number) {
    if (last_code_.holds(block.start, block.bytes)) return;
    const Area* const area = space_->areas.find(block.start);
    if (area != nullptr && allows(area->prot, AccessKind::Fetch) &&
        area->range.end - block.start >= block.bytes) {
      last_code_ = {area->range.begin, area->range.bytes(), area->prot};
      return;
    }
    VirtAddr pc = block.start;
    for (unsigned i = 0; i < block.instructions; ++i) {
      check(pc, block.lengths[i], AccessKind::Fetch, number + i);
      pc += block.lengths[i];
    }
  }

  void check(VirtAddr at, uint64_t bytes, AccessKind kind, uint64_t number) {
    for (const Known& known : known_.areas) {
      if (known.holds(at, bytes) && allows(known.prot, kind)) return;
    }
    look_up(at, bytes, kind, number);
  }

  void look_up(VirtAddr at, uint64_t bytes, AccessKind kind, uint64_t number) {
    const uint64_t end = bytes;
    for (uint64_t done = 0; done < end;) {
      const Area* area = space_->areas.find(at + done);
      if (area == nullptr && space_->stack_room().contains(at + done)) {
        processes_.grow_stack(*space_, at + done);
        area = space_->areas.find(at + done);
      }
      if (area == nullptr) {
        remarks_.add(Oddity::OutsideAreas, number, "The {} of {:#x} by thread {}/{} is in no area.",
                     name_of(kind), (at + done).value(), thread_.pid.value(), thread_.tid.value());
        return;
      }
      if (!allows(area->prot, kind)) {
        remarks_.add(Oddity::NoRight, number,
                     "The {} of {:#x} by thread {}/{} is in an area with rights {}.", name_of(kind),
                     (at + done).value(), thread_.pid.value(), thread_.tid.value(),
                     prot_text(area->prot & abi::kProtRights));
        return;
      }
      known_.areas[known_.next] = {area->range.begin, area->range.bytes(), area->prot};
      known_.next = (known_.next + 1) % known_.areas.size();
      done += area->range.end - (at + done);
    }
  }

  Remarks& remarks_;
  Processes& processes_;
  Pid pid_;
  ThreadId thread_{};
  Space* space_ = nullptr;
  struct {
    std::array<Known, 4> areas{};
    size_t next = 0;
  } known_;
  Known last_code_;
  uint64_t checked_ = 0;
};

}  // namespace

const char* key_of(Oddity oddity) {
  return kOddityTexts.at(static_cast<size_t>(oddity)).key;
}
const char* sentence_of(Oddity oddity) {
  return kOddityTexts.at(static_cast<size_t>(oddity)).sentence;
}

VerifyReport verify(const std::string& path, const ReaderOptions& options,
                    const std::function<void(uint64_t, uint64_t)>& progress) {
  VerifyReport report;
  Reader reader(path, options);
  InfoScan scan;
  Remarks remarks;
  Lives lives(remarks);
  Processes processes(reader.header().page);
  ReferenceCheck references(remarks, processes);
  uint64_t number = 0;
  uint64_t reported = 0;
  for (Batch batch; reader.next(batch);) {
    scan.add(batch);
    lives.acts(batch.thread, batch.event, number);
    if (batch.event != nullptr) {
      lives.event(batch.thread, *batch.event, number);
      std::visit(EventCheck(remarks, processes, batch.thread, number), *batch.event);
      const bool followed = processes.of(batch.thread).space->followed;
      processes.event(batch.thread, *batch.event);
      references.forget();
      const Process* const process = processes.find(batch.thread.pid);
      if (followed && process != nullptr && !process->space->followed)
        remarks.add(Oddity::TooManyAreas, number, "Process {} has too many areas.",
                    batch.thread.pid.value());
    } else {
      references.blocks(batch, number);
    }
    number += batch.totals.instructions;
    if (progress && reader.position() != reported) {
      reported = reader.position();
      progress(reported, reader.file_bytes());
    }
  }
  lives.finish();
  report.references_checked = references.checked();
  report.info = scan.finish(reader);
  if (const auto totals = reader.totals(); totals && *totals != report.info.totals) {
    throw Error(path, "the totals of the index do not match the records");
  }
  remarks.take(report);
  check_page_streams(path, options, progress);
  return report;
}

}  // namespace mmusim::trace
