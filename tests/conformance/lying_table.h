// A page table that is right but for one lie: what the kit must find out.
#ifndef MMUSIM_TESTS_CONFORMANCE_LYING_TABLE_H_
#define MMUSIM_TESTS_CONFORMANCE_LYING_TABLE_H_

#include <csignal>
#include <memory>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "pt/page_table.h"
#include "pt/table_allocator.h"

namespace mmusim::pt::conformance {

enum class Lie : uint8_t {
  WrongEntry,       // find() gives another entry now and then
  ForgottenLeaf,    // a cursor passes over a leaf
  VoidTooLarge,     // find() reports a void that holds leaves
  SilentLookups,    // find() touches words and reports none
  EndlessCursor,    // a cursor hands out the same run for ever
  TwiceInACursor,   // a cursor hands out a run twice
  DoubleFree,       // trim() frees what it gave to the gather
  LeakedTable,      // a piece of memory is never given back
  TrimTakesLeaves,  // trim() clears a leaf
  StaleHandle,      // install() writes through any handle
  NoCompare,        // install() does not look at the expected entry
  ClearKeeps,       // clear() leaves the entry
  MissedByFork,     // copy_ranges() leaves out a run
  Crash,            // reads what is not there
  Hang,             // never comes back
  Throws,           // an exception nobody knows
};

class LyingCursor final : public Cursor {
 public:
  LyingCursor(std::unique_ptr<Cursor> honest, Lie lie) : honest_(std::move(honest)), lie_(lie) {}
  bool next(Run& run) override {
    ++calls_;
    if (lie_ == Lie::EndlessCursor && calls_ > 1) {
      run = last_;
      return true;
    }
    if (lie_ == Lie::TwiceInACursor && calls_ == 3) {
      run = last_;
      return true;
    }
    bool more = honest_->next(run);
    if (more && lie_ == Lie::ForgottenLeaf && calls_ == 2) more = honest_->next(run);
    last_ = run;
    return more;
  }
  Status status() const override { return honest_->status(); }
  void seek(VirtAddr va) override { honest_->seek(va); }

 private:
  std::unique_ptr<Cursor> honest_;
  Lie lie_;
  unsigned calls_ = 0;
  Run last_;
};

class LyingTable final : public PageTable {
 public:
  LyingTable(const Environment& environment, std::unique_ptr<PageTable> honest, Lie lie)
      : PageTable(*environment.sink),
        environment_(environment),
        honest_(std::move(honest)),
        lie_(lie) {
    if (lie_ == Lie::LeakedTable) (void)environment_.allocator->allocate(64, MmId(1));
  }

  Lookup walk(VirtAddr va, WalkPath& path) const override {
    Lookup found = honest_->walk(va, path);
    if (lie_ == Lie::WrongEntry && found.entry != kNone && va.value() % 0x5000 == 0)
      found.entry ^= uint64_t{1} << 20;
    if (lie_ == Lie::VoidTooLarge && found.entry == kNone)
      found.empty = {VirtAddr(0), VirtAddr(uint64_t{1} << 63)};
    if (lie_ == Lie::Crash && found.entry != kNone) std::raise(SIGSEGV);
    if (lie_ == Lie::Hang && found.entry != kNone)
      while (true)
        std::this_thread::yield();
    if (lie_ == Lie::Throws && found.entry != kNone) throw std::runtime_error("out of ideas");
    return found;
  }
  Lookup find(VirtAddr va, mem::Origin origin) override {
    if (lie_ != Lie::SilentLookups) return PageTable::find(va, origin);
    WalkPath path;
    return walk(va, path);
  }
  Slot ensure(VirtAddr va, PageShift size) override { return honest_->ensure(va, size); }
  Status install(const Handle& handle, Entry expected, Entry next) override {
    if (lie_ == Lie::NoCompare || lie_ == Lie::StaleHandle) {
      const Lookup found = honest_->peek(handle.base);
      const bool stale = lie_ == Lie::StaleHandle && found.entry == kNone && !found.has_slot;
      if (stale) return Status::Ok;
      if (lie_ == Lie::NoCompare && found.has_slot && found.size == handle.size)
        return honest_->install(found.handle, found.entry, next);
    }
    return honest_->install(handle, expected, next);
  }
  Status clear(const Handle& handle, Entry& old) override {
    if (lie_ != Lie::ClearKeeps) return honest_->clear(handle, old);
    old = honest_->peek(handle.base).entry;
    return Status::Ok;
  }
  Status split(const Handle& handle, PageShift to) override { return honest_->split(handle, to); }
  Status promote(VirtAddr va, PageShift to, Gather& gather) override {
    return honest_->promote(va, to, gather);
  }
  std::unique_ptr<Cursor> cursor(VirtRange range, CursorMode mode) override {
    return std::make_unique<LyingCursor>(honest_->cursor(range, mode), lie_);
  }
  Status copy_ranges(PageTable& to, std::span<const VirtRange> ranges,
                     const RunCopier& copy) override {
    unsigned runs = 0;
    return honest_->copy_ranges(*dynamic_cast<LyingTable&>(to).honest_, ranges,
                                [&](size_t range, Run& from, Run& twin) {
                                  if (lie_ == Lie::MissedByFork && ++runs == 2) return true;
                                  return copy(range, from, twin);
                                });
  }
  Status move_range(VirtAddr from, VirtAddr to, uint64_t bytes, uint64_t& done) override {
    return honest_->move_range(from, to, bytes, done);
  }
  void trim(VirtRange range, VirtAddr floor, VirtAddr ceiling, Gather& gather) override {
    honest_->trim(range, floor, ceiling, gather);
    if (lie_ == Lie::DoubleFree && gather.freed_tables()) {
      const RemovedTable& table = gather.tables().front();
      table.allocator->free(table.address, table.bytes);
    }
    if (lie_ == Lie::TrimTakesLeaves) {
      Run run;
      if (const auto first = honest_->cursor(range, CursorMode::Read); first->next(run))
        run.set(0, kNone);
    }
  }
  RootToken root() const override { return honest_->root(); }
  Stats stats() const override { return honest_->stats(); }
  uint64_t table_bytes() const override { return honest_->table_bytes(); }
  void visit_tables(const TableVisitor& visit) const override { honest_->visit_tables(visit); }
  Capabilities capabilities() const override {
    Capabilities capabilities = honest_->capabilities();
    capabilities.shares = false;  // the other table would not be an honest one
    return capabilities;
  }

 private:
  Environment environment_;
  std::unique_ptr<PageTable> honest_;
  Lie lie_;
};

// Over the multi-level table.
template <Lie kLie>
class LyingFactory final : public Factory {
 public:
  LyingFactory(const config::Config& config, const Environment& environment)
      : environment_(environment), honest_(backends().front().make(config, environment)) {}
  std::unique_ptr<PageTable> create(MmId mm) override {
    std::unique_ptr<PageTable> honest = honest_->create(mm);
    if (honest == nullptr) return nullptr;
    return std::make_unique<LyingTable>(environment_, std::move(honest), kLie);
  }
  const RadixGeometry* hardware_walkable() const override { return nullptr; }

 private:
  Environment environment_;
  std::unique_ptr<Factory> honest_;
};

template <Lie kLie>
Backend liar() {
  return {.name = "mlpt",
          .summary = "mlpt, with a lie",
          .declare = backends().front().declare,
          .make = [](const config::Config& config,
                     const Environment& environment) -> std::unique_ptr<Factory> {
            return std::make_unique<LyingFactory<kLie>>(config, environment);
          }};
}

}  // namespace mmusim::pt::conformance

#endif  // MMUSIM_TESTS_CONFORMANCE_LYING_TABLE_H_
