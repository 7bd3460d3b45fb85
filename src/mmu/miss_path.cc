#include "mmu/miss_path.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <fmt/format.h>
#include <utility>

#include "base/error.h"

namespace mmusim::mmu {

namespace {

// From the first instruction to the end of the last one's unit.
uint64_t bytes_of(const HandlerCode& code, uint64_t instructions) {
  const unsigned unit = code.instructions_per_unit;
  const uint64_t units = unit == 1 ? instructions : (instructions + unit - 1) / unit;
  return units * code.bytes_per_instruction;
}

}  // namespace

MissPath::MissPath(std::span<const Step> steps, mem::FrameMemory& frames, mem::ReferenceSink& sink,
                   const HandlerCode& code)
    : steps_(steps),
      frames_(&frames),
      sink_(&sink),
      taken_(steps.size(), 0),
      extra_(steps.size(), 0),
      layout_(code) {
  watch();
  PhysAddr at = code.base;
  for (const Step& step : steps) {
    const uint64_t instructions = std::max(step.instructions, step.code);
    const uint64_t bytes = bytes_of(code, instructions);
    const uint64_t into_page = at.value() & frames.page().offset_mask();
    code_.push_back({.begin = at,
                     .instructions = instructions,
                     .first = bytes_of(code, step.instructions),
                     .in_one_page = into_page + bytes <= frames.page().bytes()});
    at += bytes;
  }
}

// Who views only need be told of the page a step's code is in, if that is one.
void MissPath::show_step(unsigned number) {
  last_ = number;
  Code& code = code_[number];
  if (!watched_ && code.in_one_page) [[likely]] {
    if (code.first != 0) view_->fetch(number, code.begin, code.first);
    return;
  }
  if (narrator_ != nullptr) narrator_->step(steps_[number]);
  code.fetched = 0;
  fetch(number, steps_[number].instructions);
}

void MissPath::show_more(unsigned number, uint64_t instructions) {
  if (!watched_ && code_[number].in_one_page) [[likely]]
    return;
  if (narrator_ != nullptr) narrator_->more_instructions(instructions);
  fetch(number, instructions);
}

// The next `instructions` of the step's code, as far as it goes.
void MissPath::fetch(unsigned number, uint64_t instructions) {
  Code& code = code_[number];
  const uint64_t now = std::min(code.fetched + instructions, code.instructions);
  const PhysAddr begin = code.begin + bytes_of(layout_, code.fetched);
  const PhysAddr end = code.begin + bytes_of(layout_, now);
  if (begin == end) return;
  if (view_ != nullptr) {
    // What goes on in a page has been let in there.
    const uint64_t mask = frames_->page().offset_mask();
    const PhysAddr from = code.fetched == 0 ? begin : PhysAddr((begin.value() + mask) & ~mask);
    if (from < end) view_->fetch(number, from, end - from);
  }
  code.fetched = now;
  if (!sink_->has_caches()) return;
  const mem::Touch fetch{
      .origin = steps_[number].fault ? mem::Origin::FaultCode : mem::Origin::HandlerCode,
      .level = 0,
      .dependent = false,
      .fetch = true};
  const uint64_t line = sink_->line_bytes(fetch);
  for (uint64_t at = begin.value(); at < end.value(); at = (at | (line - 1)) + 1)
    sink_->reference(PhysAddr(at), 1, false, fetch);
}

void MissPath::show(PhysAddr address, unsigned bytes, bool write, std::span<const uint64_t> words,
                    const Access& access, std::optional<mem::Place> served) {
  static constexpr WordKind kUnnamed;
  const WordKind& kind = access.what == nullptr ? kUnnamed : *access.what;
  show(address, bytes, write, words, access, served, kind.name, kind.describe(words));
}

void MissPath::show(PhysAddr address, unsigned bytes, bool write, std::span<const uint64_t> words,
                    const Access& access, std::optional<mem::Place> served, const char* what,
                    std::string fields) {
  narrator_->reference({.origin = access.origin,
                        .write = write,
                        .address = address,
                        .through = access.through,
                        .bytes = bytes,
                        .what = what,
                        .words = words,
                        .decoded = std::move(fields),
                        .served = served,
                        .beside = access.beside});
}

void MissPath::report(PhysAddr address, unsigned bytes, bool write, std::span<const uint64_t> words,
                      Access access) {
  if (access.origin == mem::Origin::Handler && view_ != nullptr)
    access.through = view_->reach(address);
  const std::optional<mem::Place> served = sink_->reference(address, bytes, write,
                                                            {.origin = access.origin,
                                                             .level = access.level,
                                                             .dependent = access.dependent,
                                                             .beside = access.beside});
  if (narrator_ != nullptr) show(address, bytes, write, words, access, served);
}

pt::Lookup MissPath::walk(const pt::PageTable& table, VirtAddr va, unsigned number,
                          pt::WalkPath& path) {
  const pt::Lookup found = table.walk(va, path);
  report_walk(table, va, number, path);
  return found;
}

void MissPath::report_walk(const pt::PageTable& table, VirtAddr va, unsigned number,
                           const pt::WalkPath& path) {
  for (const pt::WalkStep& step : path.steps()) {
    const Access access{
        .origin = mem::Origin::Handler, .level = step.level, .dependent = step.dependent};
    if (only_counts(access)) [[likely]]
      count(step.address, false, access);
    else
      read(table, va, step, access);
  }
  more_instructions(number, path.instructions());
}

void MissPath::read(const pt::PageTable& table, VirtAddr va, const pt::WalkStep& step,
                    Access access) {
  if (access.origin == mem::Origin::Handler && view_ != nullptr)
    access.through = view_->reach(step.address);
  const std::optional<mem::Place> served = sink_->reference(step.address, step.bytes, false,
                                                            {.origin = access.origin,
                                                             .level = access.level,
                                                             .dependent = access.dependent,
                                                             .beside = access.beside});
  if (narrator_ == nullptr) return;
  const std::array<uint64_t, 2> words = words_of(step);
  pt::WordText text = table.describe(step, va);
  show(step.address, step.bytes, false,
       std::span(words).first(step.bytes > sizeof(uint64_t) ? 2 : 1), access, served, text.what,
       std::move(text.fields));
}

std::array<uint64_t, 2> MissPath::words_of(const pt::WalkStep& step) const {
  std::array<uint64_t, 2> words{};
  // Of several entries in a line the last, which is the one that counted.
  const auto bytes = std::min<unsigned>(step.bytes, sizeof words);
  const PhysAddr address = step.address + (step.bytes - bytes) / sizeof words * sizeof words;
  const unsigned offset = address.value() % sizeof(uint64_t);
  const uint64_t* const memory = frames_->find_words(address - offset);
  MMUSIM_ASSERT(memory != nullptr);  // a page table's
  std::memcpy(words.data(), reinterpret_cast<const std::byte*>(memory) + offset, bytes);
  return words;
}

void MissPath::tell_store(const pt::PageTable& table, VirtAddr va, mem::Origin who,
                          uint64_t before) {
  if (!narrated()) return;
  pt::WalkPath path;
  static_cast<void>(table.walk(va, path));
  const pt::WalkStep& word = path.steps().back();
  const std::array<uint64_t, 2> words = words_of(word);
  pt::WordText text = table.describe(word, va);
  show(word.address, word.bytes, true, std::span(words).first(1),
       {.origin = who, .level = word.level}, std::nullopt, text.what, std::move(text.fields));
  if (const uint64_t others = made(who) - before - 1; others != 0)
    remark(fmt::format("and {} other references for that", others));
}

pt::Status MissPath::install(pt::PageTable& table, VirtAddr va, const pt::Lookup& found,
                             pt::Entry next, const pt::WalkStep& word) {
  constexpr mem::Origin kHandler = mem::Origin::Handler;
  std::array<std::optional<VirtAddr>, 2> through;  // of the read, and of the write
  if (view_ != nullptr)
    for (auto& reached : through)
      reached = view_->reach(word.address);
  const uint64_t before = narrated() ? sink_->total(kHandler) : 0;
  pt::Status status = pt::Status::Ok;
  {
    const mem::ReferenceSink::ActingAs acting(*sink_, kHandler);
    status = table.install(found.handle, found.entry, next);
  }
  if (!narrated()) return status;
  const pt::WordText text = table.describe(word, va);
  const std::array<uint64_t, 2> values{found.entry, next};
  for (const bool write : {false, true}) {
    const unsigned which = write ? 1 : 0;
    const Access access{
        .origin = kHandler, .level = word.level, .dependent = false, .through = through[which]};
    show(word.address, word.bytes, write, std::span(&values[which], 1), access, std::nullopt,
         text.what, write ? text.fields : std::string());
  }
  if (const uint64_t made = sink_->total(kHandler) - before; made > values.size())
    remark(fmt::format("and {} references to the entry's other words", made - values.size()));
  return status;
}

uint64_t MissPath::update(pt::PageTable& table, VirtAddr va, const pt::Lookup& found,
                          pt::Entry next) {
  constexpr mem::Origin kWalker = mem::Origin::Walker;
  const uint64_t before = made(kWalker);
  {
    const mem::ReferenceSink::ActingAs acting(*sink_, kWalker, mem::ReferenceSink::Access::Locked);
    // Nothing has happened since the handle was made.
    const pt::Status status = table.install(found.handle, found.entry, next);
    MMUSIM_ASSERT(status == pt::Status::Ok);
  }
  tell_store(table, va, kWalker, before);
  return made(kWalker) - before;
}

void MissPath::narrate(Narrator* narrator) {
  narrator_ = narrator;
  watch();
}

void MissPath::view_by(HandlerView* view) {
  view_ = view;
  watch();
}

uint64_t MissPath::instructions(bool of_faults) const {
  uint64_t sum = 0;
  for (size_t i = 0; i < steps_.size(); ++i)
    if (steps_[i].fault == of_faults) sum += taken_[i] * steps_[i].instructions + extra_[i];
  return sum;
}

uint64_t MissPath::traps(bool of_faults) const {
  uint64_t sum = 0;
  for (size_t i = 0; i < steps_.size(); ++i)
    if (steps_[i].trap && steps_[i].fault == of_faults) sum += taken_[i];
  return sum;
}

PathReport::PathReport(std::span<const Step> steps) : steps_(steps), taken_(steps.size(), 0) {}

void PathReport::add(const MissPath& path) {
  for (unsigned i = 0; i < steps_.size(); ++i)
    taken_[i] += path.taken(i);
  instructions_ += path.instructions();
  traps_ += path.traps();
  fault_instructions_ += path.instructions(/*of_faults=*/true);
  fault_traps_ += path.traps(/*of_faults=*/true);
}

uint64_t PathReport::faults() const {
  for (size_t i = 0; i < steps_.size(); ++i)
    if (steps_[i].enters_kernel) return taken_[i];
  return 0;
}

void PathReport::report(stats::Report& report) const {
  for (size_t i = 0; i < steps_.size(); ++i)
    report.add(fmt::format("path.{}", steps_[i].name), taken_[i], "steps",
               fmt::format("{}.", steps_[i].what));
}

}  // namespace mmusim::mmu
