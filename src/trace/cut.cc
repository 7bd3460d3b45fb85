#include "trace/cut.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/units.h"
#include "trace/format.h"

namespace mmusim::trace {

using namespace abi;

namespace {

constexpr uint64_t kSomeThread = 0x50f00;  // the clone flags of one whose call nobody saw
// Of an exec's image, so that the event stays below the format's limit.
constexpr size_t kMostImageBytes = kMaxEventBytes / 2;
constexpr size_t kAreaBytes = 64;  // at most, but for the name

// What a part of memory is called for this: nothing for the kinds of private memory that the kernel
// has names for; those of its own pages stay.
std::string backing_name(const Area& area) {
  const std::string& name = area.name_text();
  if (name.starts_with("[stack") || name == "[heap]") return "";
  if (area.name != nullptr) return name;
  if (area.object == 0) return "";
  // Memory and files without a name that several may share get one.
  if (area.fd >= 0 || !area.has(kMapAnonymous))
    return fmt::format("(unnamed file {}, descriptor {})", area.object, area.fd);
  return fmt::format("/dev/shm/(shared memory {})", area.object);
}

bool is_kernels(const Area& area) {
  return area.name_text().starts_with('[') && !backing_name(area).empty();
}

// Whether an area that was set up is of the same.
bool same_made(const Area& made, const Area& wanted) {
  const std::string name = backing_name(wanted);
  if (((made.flags ^ wanted.flags) & ~kMapAnonymous) != 0 || backing_name(made) != name)
    return false;
  if (name.empty() || is_kernels(wanted)) return true;
  return made.offset - made.range.begin.value() == wanted.offset - wanted.range.begin.value();
}

// What an exec's image can say of an area as mmap would: files by name, and private memory.
bool fits_image(const Area& area) {
  const std::string& name = area.name_text();
  const bool of_memory = name.starts_with("/dev/shm/") || name.starts_with("/memfd:");
  if (area.object != 0 || area.has(kMapHugeTlb) || of_memory) return false;
  return area.name != nullptr || !area.is_shared();
}

// Calls visit(range, a, b) for each piece of the address space in which at least one of the two
// maps has an area, with these areas or null.
template <class Visit>
void side_by_side(const AreaMap& left, const AreaMap& right, Visit visit) {
  std::set<VirtAddr> borders;
  for (const AreaMap* const map : {&left, &right}) {
    for (const auto& [start, area] : map->areas()) {
      borders.insert(area.range.begin);
      borders.insert(area.range.end);
    }
  }
  for (auto at = borders.begin(); at != borders.end() && std::next(at) != borders.end(); ++at) {
    const Area* const a = left.find(*at);
    const Area* const b = right.find(*at);
    if (a != nullptr || b != nullptr) visit(VirtRange{*at, *std::next(at)}, a, b);
  }
}

// Writes events, and follows what they make.
class StateWriter {
 public:
  StateWriter(Writer& writer, const Processes& now)
      : writer_(writer), now_(now), made_(now.page()) {}

  CutResult write() {
    for (const auto& [pid, process] : now_.all()) {
      if (process.zombie || lives(process.parent)) continue;
      begin(process);
    }
    for (const auto& [name, length] : now_.file_lengths()) {
      if (mapped_.contains(name) && speaker_) say(*speaker_, TruncateEvent{-1, length, 0, name});
    }
    for (const auto& [name, known] : now_.file_identities().all())
      if (mapped_.contains(name) && speaker_) say(*speaker_, marker_of({name, known.identity}));
    for (const auto& [pid, process] : now_.all()) {
      for (const auto& [tid, thread] : process.threads)
        if (thread.cpu) say({pid, tid}, SwitchEvent{*thread.cpu});
    }
    return result_;
  }

 private:
  [[nodiscard]] bool lives(std::optional<Pid> pid) const {
    const Process* const process = pid ? now_.find(*pid) : nullptr;
    return process != nullptr && !process->zombie;
  }

  void say(ThreadId thread, const Event& event) {
    writer_.thread(thread);
    writer_.event(event);
    made_.event(thread, event);
    ++result_.state_events;
  }

  void begin(const Process& process);
  void make_areas(const Process& process);
  void exec(const Process& process);
  void set_break(const Process& process);
  void map(const Process& process);
  void adjust(const Process& process);
  void advise(ThreadId thread, VirtRange range, uint32_t has, uint32_t wants);
  [[nodiscard]] const Space& made(const Process& process) {
    return *made_.of(process.speaker()).space;
  }
  void map_piece(ThreadId thread, const Area& area, VirtRange range);
  void check(const Process& process);

  Writer& writer_;
  const Processes& now_;
  Processes made_;
  CutResult result_;
  std::set<std::string> mapped_;
  std::set<const Space*> spaces_;  // that were set up
  std::optional<ThreadId> speaker_;
};

// A process that is there already, or is made by its first event; and all that come of it.
void StateWriter::begin(const Process& process) {
  // Not by recursion: chains of processes may be long.
  std::vector<const Process*> todo{&process};
  while (!todo.empty()) {
    const Process& parent = *todo.back();
    todo.pop_back();
    const ThreadId speaker = parent.speaker();
    if (!speaker_) speaker_ = speaker;
    ++result_.processes;
    const Process* const of_parent = parent.parent ? now_.find(*parent.parent) : nullptr;
    const bool shares = of_parent != nullptr && of_parent->space == parent.space;
    if (!shares) make_areas(parent);
    for (const auto& [tid, thread] : parent.threads)
      if (tid != speaker.tid)
        say(speaker, ForkEvent{{parent.pid, tid},
                               thread.clone_flags != 0 ? thread.clone_flags : kSomeThread,
                               true});
    // Who waits for vfork's child does nothing more, so these come last.
    for (const bool sharing : {false, true}) {
      for (const Pid pid : parent.children) {
        const Process* const child = now_.find(pid);
        if (child == nullptr || child->parent != parent.pid) continue;
        if ((child->space == parent.space) != sharing) continue;
        const ThreadId id = child->zombie ? ThreadId{pid, Tid(pid.value())} : child->speaker();
        say(speaker, ForkEvent{id, sharing ? child->clone_flags : kSignalChild, sharing});
        if (child->zombie) {
          ++result_.zombies;
          say(id, ExitEvent{child->status, true});
        } else {
          todo.push_back(child);
        }
      }
    }
  }
}

void StateWriter::make_areas(const Process& process) {
  if (!spaces_.insert(process.space.get()).second) ++result_.sharing_lost;
  if (!process.space->followed) ++result_.processes_not_followed;
  result_.areas += process.space->areas.size();
  if (process.space->began) exec(process);
  set_break(process);
  map(process);
  adjust(process);
  check(process);
}

// The image is the areas as they are, but for the heap, which the break makes, and for what an
// image cannot say. Where none was recorded, none is told.
void StateWriter::exec(const Process& process) {
  const Space& space = *process.space;
  ExecEvent event;
  event.program = space.program;
  event.arguments = space.arguments;
  event.brk = space.brk_start;
  event.stack_top = space.stack_top;
  const VirtRange heap{align_up(space.brk_start, now_.page()), align_up(space.brk, now_.page())};
  size_t bytes = 0;
  for (const std::string& argument : event.arguments)
    bytes += argument.size() + kAreaBytes;
  for (const auto& [start, area] : space.areas.areas()) {
    if (!space.recorded || !fits_image(area)) continue;
    if (space.brk_start != VirtAddr(0) && area.range.overlaps(heap)) continue;
    bytes += area.name_text().size() + kAreaBytes;
    if (bytes > kMostImageBytes || event.image.size() == kMaxListItems) break;  // map() does it
    const uint64_t offset = backing_name(area).empty() ? 0 : area.offset;
    event.image.push_back({area.range, area.prot, area.flags, offset, area.name_text()});
  }
  say(process.speaker(), event);
}

// The heap comes with it.
void StateWriter::set_break(const Process& process) {
  const Space& wanted = *process.space;
  if (wanted.brk_start == VirtAddr(0)) return;
  if (made(process).brk_start == VirtAddr(0))
    say(process.speaker(), BrkEvent{VirtAddr(0), wanted.brk_start});
  if (made(process).brk != wanted.brk) say(process.speaker(), BrkEvent{wanted.brk, wanted.brk});
}

void StateWriter::map_piece(ThreadId thread, const Area& area, VirtRange range) {
  if (is_kernels(area)) return;  // no call makes these
  MmapEvent event;
  event.hint = range.begin;
  event.length = range.bytes();
  event.prot = area.prot;
  event.flags = (area.flags & ~kMapAnonymous) | kMapFixed;
  event.result = static_cast<int64_t>(range.begin.value());
  event.file = backing_name(area);
  if (event.file.empty())
    event.flags |= kMapAnonymous;
  else
    event.offset = area.offset_at(range.begin);
  say(thread, event);
}

// Takes away what is there and should not be, and maps what is not there.
void StateWriter::map(const Process& process) {
  const ThreadId thread = process.speaker();
  const AreaMap there = made(process).areas;
  side_by_side(there, process.space->areas,
               [&](VirtRange range, const Area* has, const Area* wants) {
                 if (has != nullptr && wants != nullptr && same_made(*has, *wants)) return;
                 if (wants == nullptr)
                   say(thread, MunmapEvent{range.begin, range.bytes(), 0});
                 else
                   map_piece(thread, *wants, range);
               });
  for (const auto& [start, area] : process.space->areas.areas())
    if (std::string name = backing_name(area); !name.empty()) mapped_.insert(std::move(name));
}

// One call for each kind of advice that differs.
void StateWriter::advise(ThreadId thread, VirtRange range, uint32_t has, uint32_t wants) {
  // A clear bit of huge pages is set by the other and cannot be taken back: it comes with neither.
  for (const AdvisedBy& choice : kAdvices) {
    const bool is_set = (wants & choice.bit) != 0;
    if (((has ^ wants) & choice.bit) == 0 ||
        (!is_set && choice.bit >= kAdvisedHuge && choice.bit <= kAdvisedNoHuge))
      continue;
    say(thread, MadviseEvent{range.begin, range.bytes(), is_set ? choice.with : choice.without, 0});
  }
}

// Rights, advice and locks of areas that are there; then what holds for the whole process.
void StateWriter::adjust(const Process& process) {
  const ThreadId thread = process.speaker();
  const Space& wanted = *process.space;
  const AreaMap there = made(process).areas;
  const auto each = [&](auto change) {
    side_by_side(there, wanted.areas, [&](VirtRange range, const Area* has, const Area* wants) {
      if (has != nullptr && wants != nullptr) change(range, *has, *wants);
    });
  };
  each([&](VirtRange range, const Area& has, const Area& wants) {
    const bool charge = wants.charged && !has.charged && (wants.prot & kProtWrite) == 0;
    if (charge) say(thread, MprotectEvent{range.begin, range.bytes(), wants.prot | kProtWrite, 0});
    if (charge || has.prot != wants.prot)
      say(thread, MprotectEvent{range.begin, range.bytes(), wants.prot, 0});
  });
  each([&](VirtRange range, const Area& has, const Area& wants) {
    advise(thread, range, has.advised, wants.advised);
  });
  each([&](VirtRange range, const Area& has, const Area& wants) {
    if (has.lock == wants.lock) return;
    const bool locks = wants.lock != Area::Lock::None;
    say(thread, LockEvent{locks ? LockEvent::Lock : LockEvent::Unlock, range.begin, range.bytes(),
                          wants.lock == Area::Lock::OnFault ? uint32_t{kMlockOnFault} : 0, 0});
  });
  if (wanted.lock_new != Area::Lock::None) {
    const uint32_t how = wanted.lock_new == Area::Lock::OnFault ? uint32_t{kMclOnFault} : 0;
    say(thread, LockEvent{LockEvent::LockAll, VirtAddr(0), 0, kMclFuture | how, 0});
  }
  if (wanted.thp && made(process).thp != wanted.thp) say(thread, *wanted.thp);
}

void StateWriter::check(const Process& process) {
  side_by_side(made(process).areas, process.space->areas,
               [&](VirtRange range, const Area* has, const Area* wants) {
                 const bool same = has != nullptr && wants != nullptr && same_made(*has, *wants) &&
                                   has->prot == wants->prot && has->advised == wants->advised &&
                                   has->lock == wants->lock;
                 if (!same) result_.areas_not_set_up += range.bytes();
               });
}

// One cut: first what leads up to it, then the part itself.
class Cutter {
 public:
  Cutter(PageShift page, const InstructionRange& range, Writer& writer, std::string marker)
      : range_(range), writer_(writer), marker_(std::move(marker)), processes_(page) {}

  // False: the part is at its end.
  bool batch(const Batch& batch) {
    if (at_ >= range_.to) return false;
    if (!begun_) before(batch);
    if (begun_) inside(batch);
    at_ += batch.totals.instructions;
    return true;
  }
  [[nodiscard]] uint64_t instructions() const { return at_; }
  [[nodiscard]] bool begun() const { return begun_; }
  [[nodiscard]] const CutResult& result() const { return result_; }

 private:
  void before(const Batch& batch) {
    if (batch.event != nullptr) {
      if (at_ < range_.from) {
        processes_.event(batch.thread, *batch.event);
        return;
      }
    } else {
      processes_.ran(batch.thread, {batch.addresses, accesses_before(batch)});
      if (at_ + batch.totals.instructions <= range_.from) return;
    }
    begun_ = true;
    if (range_.from == 0) return;  // nothing was before
    objects_ = processes_.objects();
    result_ = write_state(writer_, processes_);
    writer_.thread(batch.thread);
    writer_.event(MarkerEvent{marker_});
    ++result_.state_events;
  }

  // How many data accesses of a batch of blocks lie before the part's begin.
  [[nodiscard]] size_t accesses_before(const Batch& batch) const {
    if (at_ + batch.totals.instructions <= range_.from) return batch.totals.data_accesses();
    size_t accesses = 0;
    uint64_t number = at_;
    for (const uint32_t which : batch.blocks) {
      const StaticBlock& block = batch.table[which];
      for (unsigned op = 0; op < block.mem_ops; ++op)
        if (number + block.ops[op].instruction < range_.from) ++accesses;
      number += block.instructions;
      if (number >= range_.from) break;
    }
    return accesses;
  }

  void inside(const Batch& batch) {
    writer_.thread(batch.thread);
    if (batch.event != nullptr) {
      writer_.event(with_name(batch.thread, *batch.event));
      return;
    }
    const uint64_t* address = batch.addresses;
    uint64_t number = at_;
    for (const uint32_t which : batch.blocks) {
      const StaticBlock& block = batch.table[which];
      const auto slice = range_.slice(number, block.instructions);
      write_slice(writer_, block, address, slice);
      number += block.instructions;
    }
  }

  // A mapping of what got its name from write_state() has that name too: the other parts of a
  // library, which its loader maps over the first.
  Event with_name(ThreadId thread, const Event& event) {
    if (range_.from == 0) return event;
    processes_.event(thread, event);
    const auto* const mmap = std::get_if<MmapEvent>(&event);
    if (mmap == nullptr || failed(mmap->result) || !mmap->file.empty()) return event;
    const Area* const area =
        processes_.of(thread).space->areas.find(VirtAddr(static_cast<uint64_t>(mmap->result)));
    if (area == nullptr || area->object == 0 || area->object > objects_) return event;
    MmapEvent named = *mmap;
    named.file = backing_name(*area);
    return named;
  }

  InstructionRange range_;
  Writer& writer_;
  std::string marker_;
  Processes processes_;
  uint64_t at_ = 0;
  bool begun_ = false;
  uint64_t objects_ = 0;  // there were at the begin
  CutResult result_;
};

Header header_of_part(const Reader& reader, const InstructionRange& range) {
  Header header = reader.header();
  const std::string of = "of " + reader.identity();
  const std::string to =
      range.to == UINT64_MAX ? "to the end" : fmt::format("to {}", format_count(range.to));
  header.notes += fmt::format(
      "{}Cut: instructions from {} {} {}. Events at its begin, up to the marker, set up processes "
      "and "
      "areas as they were. Not carried over: which pages had been touched or shared, contents of "
      "files, guard pages, and areas that only references told of.",
      header.notes.empty() ? "" : " ", format_count(range.from), to, of);
  return header;
}

}  // namespace

CutResult write_state(Writer& writer, const Processes& now) {
  return StateWriter(writer, now).write();
}

CutResult cut(const std::string& path, const InstructionRange& range, const std::string& output,
              const ReaderOptions& reader_options, const WriterOptions& writer_options,
              const std::function<void(uint64_t, uint64_t)>& progress) {
  Reader reader(path, reader_options);
  const auto check_end = [&](uint64_t instructions) {
    const bool ends = range.to != UINT64_MAX && range.to > instructions;
    if (range.from < instructions && !ends) return;
    throw Error(path, fmt::format("the trace has {} instructions, and none numbered {}",
                                  format_count(instructions),
                                  format_count(ends ? range.to - 1 : range.from)));
  };
  if (const auto totals = reader.totals()) check_end(totals->instructions);
  Writer writer(output, header_of_part(reader, range), writer_options);
  Cutter cutter(reader.header().page, range, writer,
                fmt::format("cut: instruction {} of the whole trace", range.from));
  for (Batch batch; reader.next(batch) && cutter.batch(batch);)
    if (progress) progress(reader.position(), reader.file_bytes());
  check_end(cutter.instructions());
  CutResult result = cutter.result();
  writer.finish();
  result.totals = writer.totals();
  return result;
}

}  // namespace mmusim::trace
