#include "tests/conformance/lying_table.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <stdexcept>
#include <thread>
#include <vector>

namespace mmusim::pt::conformance {
namespace {

class LyingCursor final : public Cursor {
 public:
  LyingCursor(std::unique_ptr<Cursor> honest, Lie lie, VirtRange range, PageShift page)
      : honest_(std::move(honest)), lie_(lie), next_(range.begin), end_(range.end), page_(page) {}
  bool next(Run& run) override {
    ++calls_;
    const bool again =
        (lie_ == Lie::EndlessCursor && calls_ > 1) || (lie_ == Lie::TwiceInACursor && calls_ == 3);
    if (again) {
      run = last_;
      return true;
    }
    if (lie_ == Lie::SlowCursor) return next_page(run);
    bool more = honest_->next(run);
    if (more && lie_ == Lie::ForgottenLeaf && calls_ == 2) more = honest_->next(run);
    if (more && lie_ == Lie::HostRuns) copy(run);
    last_ = run;
    return more;
  }
  Status status() const override { return honest_->status(); }
  void seek(VirtAddr va) override {
    if (lie_ != Lie::SeekIgnored) honest_->seek(va);
  }

 private:
  bool next_page(Run& run) {
    if (next_ >= end_) return false;
    run = Run();
    run.start = next_;
    run.size = page_;
    run.count = 1;
    run.place({.words = &nothing_, .address = PhysAddr(0)});
    next_ = next_ + page_.bytes();
    return true;
  }
  void copy(Run& run) {
    words_.resize(run.count);
    for (uint32_t i = 0; i < run.count; ++i)
      words_[i] = run.get(i);
    run.place({.words = words_.data(), .address = PhysAddr(0)});
  }

  std::unique_ptr<Cursor> honest_;
  Lie lie_;
  VirtAddr next_;
  VirtAddr end_;
  PageShift page_;
  unsigned calls_ = 0;
  Run last_;
  Entry nothing_ = kNone;
  std::vector<Entry> words_;
};

// The honest table's steps again, changed by `change`, which says whether to keep one.
template <class Change>
void rewrite(WalkPath& path, Change change) {
  std::vector<WalkStep> steps(path.steps().begin(), path.steps().end());
  path.clear();
  for (size_t i = 0; i < steps.size(); ++i)
    if (change(i, steps[i])) path.add(steps[i]);
}

bool is_silent(Lie lie) {
  return lie >= Lie::SilentEnsure && lie <= Lie::SilentTrim;
}

}  // namespace

LyingTable::LyingTable(const Environment& environment, std::unique_ptr<PageTable> honest, Lie lie)
    : PageTable(*environment.sink),
      environment_(environment),
      honest_(std::move(honest)),
      lie_(lie) {
  if (lies(Lie::LeakedTable)) (void)environment_.allocator->allocate(64, MmId(1));
}

void LyingTable::report_unless(Lie silent) const {
  if (!is_silent(lie_) || lies(silent)) return;
  honest_->visit_tables([&](const TableNode& node) {
    sink().reference_run(node.address, 8, node.bytes / 8, false, {});
    sink().reference_run(node.address, 8, node.bytes / 8, true, {});
  });
}

void LyingTable::lie_about_path(VirtAddr /*va*/, const Lookup& found, WalkPath& path) const {
  const size_t last = path.count() - 1;
  if (lies(Lie::WrongWord) && found.entry != kNone)
    rewrite(path, [&](size_t i, WalkStep& step) {
      if (i == last) step.address = PhysAddr(step.address.value() ^ 8);
      return true;
    });
  if (lies(Lie::NoMemoryAtAll))
    rewrite(path, [&](size_t i, WalkStep& step) {
      if (i == 0) step.address = step.address + (uint64_t{1} << 29);
      return true;
    });
  if (lies(Lie::NoLeafWord)) rewrite(path, [&](size_t i, WalkStep&) { return i != last; });
  if (lies(Lie::NoDirectoryWord))
    rewrite(path, [&](size_t i, WalkStep&) { return last < 2 || i != 1; });
  if (lies(Lie::NoRootWord) && last != 0) {
    rewrite(path, [&](size_t i, WalkStep& step) {
      step.dependent = i > 1;
      return i != 0;
    });
  }
  if (lies(Lie::WordNotRead)) {
    const WalkStep root = path.steps()[0];
    path.add(PhysAddr(root.address.value() ^ 0x400), 8, root.level, false);
  }
  if (lies(Lie::AcrossLines))
    rewrite(path, [&](size_t i, WalkStep& step) {
      if (i == 0) step.address = PhysAddr(step.address.value() | 56);
      if (i == 0) step.bytes = 16;
      return true;
    });
  if (lies(Lie::WrongLevel))
    rewrite(path, [&](size_t, WalkStep& step) {
      ++step.level;
      return true;
    });
  if (lies(Lie::FlatLevels))
    rewrite(path, [&](size_t, WalkStep& step) {
      step.level = 0;
      return true;
    });
  if (lies(Lie::BesideWhatItNeeds))
    rewrite(path, [&](size_t i, WalkStep& step) {
      step.beside = i != 0;
      return true;
    });
  if (lies(Lie::BeginsTooWide) || lies(Lie::BeginsElsewhere))
    rewrite(path, [&](size_t, WalkStep& step) {
      if (step.serves != 0 && lies(Lie::BeginsTooWide)) ++step.serves;
      if (lies(Lie::BeginsElsewhere)) step.table = PhysAddr(step.table.value() ^ 0x400);
      return true;
    });
  if (lies(Lie::NeverDependent) || lies(Lie::AlwaysDependent))
    rewrite(path, [&](size_t, WalkStep& step) {
      step.dependent = lies(Lie::AlwaysDependent);
      return true;
    });
}

Lookup LyingTable::walk(VirtAddr va, WalkPath& path) const {
  if (lies(Lie::HostCache)) {
    const auto known = remembered_.find(va.value());
    if (known != remembered_.end()) return known->second;
  }
  if (lies(Lie::HostMap) && last_ == va && path.count() == 0) {
    path = last_path_;
    return last_found_;
  }
  Lookup found = honest_->walk(va, path);
  if (lies(Lie::HostMap)) {
    last_ = va;
    last_found_ = found;
    last_path_ = path;
  }
  if (lies(Lie::HostCache) && found.entry != kNone) remembered_[va.value()] = found;
  if (path.count() != 0) lie_about_path(va, found, path);
  if (lies(Lie::WrongEntry) && found.entry != kNone && va.value() % 0x5000 == 0)
    found.entry ^= uint64_t{1} << 20;
  if (lies(Lie::WrongSize) && found.entry != kNone) found.size = page();
  if (lies(Lie::VoidTooLarge) && found.entry == kNone)
    found.empty = {VirtAddr(0), VirtAddr(uint64_t{1} << 63)};
  if (lies(Lie::VoidTooSmall) && found.entry == kNone) found.empty = {va, va + page().bytes() / 2};
  if (lies(Lie::NoSlot)) found.has_slot = false;
  if (lies(Lie::Crash) && found.entry != kNone) std::raise(SIGSEGV);
  while (lies(Lie::Hang) && found.entry != kNone)
    std::this_thread::yield();
  if (lies(Lie::Throws) && found.entry != kNone) throw std::runtime_error("out of ideas");
  return found;
}

Lookup LyingTable::find(VirtAddr va, mem::Origin origin) {
  if (lies(Lie::FindOneTwice))
    sink().reference(root().address, 8, false, {.origin = origin, .level = 0, .dependent = false});
  if (!lies(Lie::SilentLookups)) return PageTable::find(va, origin);
  WalkPath path;
  return walk(va, path);
}

Lookup LyingTable::peek(VirtAddr va) const {
  if (lies(Lie::PeekReports)) sink().reference(root().address, 8, false, {});
  return PageTable::peek(va);
}

Slot LyingTable::ensure(VirtAddr va, PageShift size) {
  last_.reset();
  if (lies(Lie::BadSizeTaken)) size = page();
  if (lies(Lie::NoMemoryForNothing) && va.value() % 0x7000 == 0)
    return {.status = Status::NoMemory, .handle = {}};
  Slot slot = honest_->ensure(va, size);
  if (lies(Lie::WrongHandle)) slot.handle.base = slot.handle.base + page().bytes();
  if (lies(Lie::EnsureLosesLeaf) && slot.status == Status::Ok && slot.entry != kNone)
    static_cast<void>(honest_->clear(slot.handle, slot.entry));
  report_unless(Lie::SilentEnsure);
  return slot;
}

Status LyingTable::install(const Handle& handle, Entry expected, Entry next) {
  last_.reset();
  const Lookup found =
      lies(Lie::StaleHandle) || lies(Lie::NoCompare) ? honest_->peek(handle.base) : Lookup();
  if (lies(Lie::StaleHandle) && handle.size == page() && found.entry == kNone && !found.has_slot)
    return Status::Ok;
  if (lies(Lie::NoCompare) && found.has_slot && found.size == handle.size)
    return honest_->install(found.handle, found.entry, next);
  if (lies(Lie::StaleAfterSplit) && handle.place == split_.place && handle.size == split_.size &&
      handle.generation == split_.generation && handle.size > page())
    return Status::Ok;
  if (lies(Lie::NoBadAlign) && handle.size > page()) {
    const Status status = honest_->install(handle, expected, next);
    return status == Status::BadAlign ? Status::Ok : status;
  }
  if (lies(Lie::KeptBecomesNone) && !environment_.format->is_present(next)) next = kNone;
  const Status status = honest_->install(handle, expected, next);
  report_unless(Lie::SilentInstall);
  return status;
}

Status LyingTable::clear(const Handle& handle, Entry& old) {
  last_.reset();
  if (lies(Lie::ClearKeeps)) {
    old = honest_->peek(handle.base).entry;
    return Status::Ok;
  }
  const Status status = honest_->clear(handle, old);
  if (lies(Lie::ClearForgetsOld)) old = kNone;
  report_unless(Lie::SilentClear);
  return status;
}

Status LyingTable::split(const Handle& handle, PageShift to) {
  while (lies(Lie::HangInSplit))
    std::this_thread::yield();
  if (lies(Lie::SplitSaysOk) && to < handle.size) return Status::Ok;
  const Status status =
      honest_->split(handle, lies(Lie::SplitToPages) && to < handle.size ? page() : to);
  if (status == Status::Ok) split_ = handle;
  if (lies(Lie::SplitForgetsLast) && status == Status::Ok) {
    Entry old = kNone;
    const VirtAddr last = handle.base + (handle.size.bytes() - page().bytes());
    static_cast<void>(honest_->clear(honest_->peek(last).handle, old));
  }
  report_unless(Lie::SilentSplit);
  return status;
}

SplitReserve LyingTable::split_reserve(PageShift from, PageShift to) const {
  return lies(Lie::ReserveNothing) ? SplitReserve{} : honest_->split_reserve(from, to);
}

Status LyingTable::promote(VirtAddr va, PageShift to, Gather& gather) {
  Status status = honest_->promote(va, to, gather);
  if (lies(Lie::PromoteAnything) && status == Status::NotUniform) status = Status::Ok;
  report_unless(Lie::SilentPromote);
  return status;
}

std::unique_ptr<Cursor> LyingTable::cursor(VirtRange range, CursorMode mode) {
  if (lies(Lie::BuildHoles)) mode = CursorMode::Read;
  return std::make_unique<LyingCursor>(honest_->cursor(range, mode), lie_, range, page());
}

Status LyingTable::copy_ranges(PageTable& to, std::span<const VirtRange> ranges,
                               const RunCopier& copy) {
  unsigned runs = 0;
  Status status = honest_->copy_ranges(*dynamic_cast<LyingTable&>(to).honest_, ranges,
                                       [&](size_t range, Run& from, Run& twin) {
                                         if (lies(Lie::MissedByFork) && ++runs == 2) return true;
                                         return copy(range, from, twin);
                                       });
  if (lies(Lie::CopyNotStopped) && status == Status::Stopped) status = Status::Ok;
  return status;
}

Status LyingTable::move_range(VirtAddr from, VirtAddr to, uint64_t bytes, uint64_t& done) {
  if (lies(Lie::MoveForgetsLast) && bytes != 0) {
    const Status status = honest_->move_range(from, to, bytes - page().bytes(), done);
    if (status == Status::Ok) done = bytes;
    return status;
  }
  const Status status = honest_->move_range(from, to, bytes, done);
  if (lies(Lie::MoveSaysDone)) done = 0;
  report_unless(Lie::SilentMove);
  return status;
}

void LyingTable::trim(VirtRange range, VirtAddr floor, VirtAddr ceiling, Gather& gather) {
  if (lies(Lie::CrashInTrim)) std::raise(SIGSEGV);
  if (lies(Lie::TrimLazy) && floor != VirtAddr(0)) return;
  if (lies(Lie::TrimNoFloor)) floor = VirtAddr(0);
  if (lies(Lie::TrimNoCeiling)) ceiling = VirtAddr(0);
  Gather own;
  honest_->trim(range, floor, ceiling, own);
  for (RemovedTable table : own.tables()) {
    VirtRange touched = own.range();
    if (lies(Lie::GatherElsewhere))
      touched = {VirtAddr(uint64_t{1} << 50), VirtAddr((uint64_t{1} << 50) + page().bytes())};
    if (lies(Lie::GatherTooFar)) touched = {VirtAddr(0), VirtAddr(uint64_t{1} << 60)};
    if (lies(Lie::FreedSmaller)) table.bytes /= 2;
    if (lies(Lie::FreedAtOnce))
      table.allocator->free(table.address, table.bytes);
    else
      gather.table(touched, own.smallest(), table);
  }
  if (lies(Lie::DoubleFree) && gather.freed_tables()) {
    const RemovedTable& table = gather.tables().front();
    table.allocator->free(table.address, table.bytes);
  }
  if (lies(Lie::TrimTakesLeaves)) {
    Run run;
    if (const auto first = honest_->cursor(range, CursorMode::Read); first->next(run))
      run.set(0, kNone);
  }
  report_unless(Lie::SilentTrim);
}

Stats LyingTable::stats() const {
  Stats stats = honest_->stats();
  if (lies(Lie::StatsLeaves) && stats.leaves > 2) --stats.leaves;
  if (lies(Lie::StatsRoot)) stats.root_bytes = 0;
  if (lies(Lie::StatsTables)) stats.tables[0] = 0;
  return stats;
}

uint64_t LyingTable::table_bytes() const {
  return honest_->table_bytes() + (lies(Lie::StatsBytes) ? page().bytes() : 0);
}

void LyingTable::visit_tables(const TableVisitor& visit) const {
  std::vector<TableNode> nodes;
  honest_->visit_tables([&](const TableNode& node) { nodes.push_back(node); });
  if (lies(Lie::VisitLeavesOut) && nodes.size() > 2) nodes.pop_back();
  if (lies(Lie::VisitTwice) && nodes.size() > 1) nodes.push_back(nodes.back());
  if (lies(Lie::VisitChildFirst)) std::rotate(nodes.begin(), nodes.begin() + 1, nodes.end());
  for (size_t i = 0; i < nodes.size(); ++i) {
    TableNode& node = nodes[i];
    if (lies(Lie::VisitWrongBase) && i != 0) node.base = node.base + (uint64_t{1} << node.covers);
    if (lies(Lie::VisitWrongLeaves) && i + 1 == nodes.size()) ++node.leaves;
    if (lies(Lie::VisitWrongTables)) node.tables = 0;
    if (lies(Lie::VisitReports)) sink().reference(node.address, 8, false, {});
    visit(node);
  }
}

Capabilities LyingTable::capabilities() const {
  Capabilities capabilities = honest_->capabilities();
  capabilities.share_sizes.clear();  // the other table would not be an honest one
  return capabilities;
}

namespace {

class LyingFactory final : public Factory {
 public:
  LyingFactory(const config::Config& config, const Environment& environment, Lie lie)
      : environment_(environment), lie_(lie) {
    Environment below = environment;
    if (is_silent(lie)) below.sink = &mute_;
    honest_ = backends().front().make(config, below);
  }
  std::unique_ptr<PageTable> create(MmId mm) override {
    std::unique_ptr<PageTable> honest = honest_->create(mm);
    if (honest == nullptr) return nullptr;
    return std::make_unique<LyingTable>(environment_, std::move(honest), lie_);
  }
  const RadixGeometry* hardware_walkable() const override { return nullptr; }
  bool can_map(VirtAddr va) const override { return honest_->can_map(va); }

 private:
  Environment environment_;
  Lie lie_;
  mem::ReferenceSink mute_;
  std::unique_ptr<Factory> honest_;
};

using Make = std::unique_ptr<Factory> (*)(const config::Config&, const Environment&);

template <size_t... kLies>
Make maker_of(size_t lie, std::index_sequence<kLies...> /*all*/) {
  static constexpr std::array<Make, sizeof...(kLies)> kMakers = {
      [](const config::Config& config, const Environment& environment) -> std::unique_ptr<Factory> {
        return std::make_unique<LyingFactory>(config, environment, static_cast<Lie>(kLies));
      }...};
  return kMakers.at(lie);
}

}  // namespace

Backend liar(Lie lie) {
  return {.name = "mlpt",
          .summary = "mlpt, with a lie",
          .declare = backends().front().declare,
          .make = maker_of(static_cast<size_t>(lie),
                           std::make_index_sequence<static_cast<size_t>(Lie::Count)>())};
}

}  // namespace mmusim::pt::conformance
