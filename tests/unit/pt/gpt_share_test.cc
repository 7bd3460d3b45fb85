// Shared sub-trees: who sees what, whose memory it is, and that nothing is lost when memory fails.
#include <algorithm>
#include <gtest/gtest.h>
#include <map>
#include <set>
#include <vector>

#include "base/random.h"
#include "tests/effort.h"
#include "tests/unit/pt/gpt_world.h"

namespace mmusim::pt {
namespace gpt_share_test {

constexpr uint64_t k2M = uint64_t{2} << 20;

class GptShare : public GptWorld {
 protected:
  GptShare() : a_(make(1)), b_(make(2)) {}

  // Nothing is unaccounted for.
  void expect_accounted(std::initializer_list<const PageTable*> tables) {
    uint64_t bytes = machine_.factory->common_bytes();
    for (const PageTable* table : tables)
      bytes += table->stats().table_bytes + table->stats().root_bytes;
    EXPECT_EQ(bytes, machine_.allocator.bytes_in_use());
  }

  std::unique_ptr<PageTable> a_;
  std::unique_ptr<PageTable> b_;
};

TEST_F(GptShare, BothSeeWhatEitherDoes) {
  for (uint64_t i = 0; i < 512; i += 3)
    ASSERT_EQ(map(*a_, kBase + i * kPage, leaf(i)), Status::Ok);
  ASSERT_EQ(map(*a_, kBase - kPage, leaf(9999)), Status::Ok);
  const uint64_t own = a_->table_bytes();
  const uint64_t there = 7 * k2M;
  const Rights read{Rights::kRead | Rights::kUser};
  ASSERT_EQ(b_->share(VirtAddr(there), *a_, VirtAddr(kBase), PageShift(21), read), Status::Ok);

  for (uint64_t i = 0; i < 512; ++i)
    EXPECT_EQ(at(*b_, there + i * kPage), i % 3 == 0 ? leaf(i) : kNone) << i;
  EXPECT_EQ(at(*b_, there + k2M), kNone);
  const Lookup mine = a_->peek(VirtAddr(kBase));
  const Lookup theirs = b_->peek(VirtAddr(there));
  EXPECT_TRUE(mine.shared);
  EXPECT_TRUE(theirs.shared);
  EXPECT_EQ(mine.mask, kAll);
  EXPECT_EQ(theirs.mask, read);
  EXPECT_FALSE(a_->peek(VirtAddr(kBase - kPage)).shared);

  // A page one of them faults in.
  ASSERT_EQ(map(*b_, there + kPage, leaf(77)), Status::Ok);
  EXPECT_EQ(at(*a_, kBase + kPage), leaf(77));
  clear(*a_, kBase);
  EXPECT_EQ(at(*b_, there), kNone);
  const auto cursor = b_->cursor({VirtAddr(there), VirtAddr(there + k2M)});
  pt::Run run;
  while (cursor->next(run))
    EXPECT_TRUE(run.shared);

  const std::vector<Sharer> all = {{MmId(1), VirtAddr(kBase)}, {MmId(2), VirtAddr(there)}};
  for (auto sharers : {a_->sharers(VirtAddr(kBase + kPage)), b_->sharers(VirtAddr(there))}) {
    std::sort(sharers.begin(), sharers.end(),
              [](const Sharer& x, const Sharer& y) { return x.mm < y.mm; });
    EXPECT_EQ(sharers, all);
  }
  EXPECT_TRUE(a_->sharers(VirtAddr(kBase - kPage)).empty());
  // The table's memory is nobody's now.
  EXPECT_LT(a_->table_bytes(), own);
  EXPECT_GT(machine_.factory->common_bytes(), 4096u);  // 171 of 512 pages
  expect_accounted({a_.get(), b_.get()});
  // The first to have it may go.
  a_.reset();
  EXPECT_EQ(at(*b_, there + kPage), leaf(77));
  EXPECT_EQ(b_->sharers(VirtAddr(there)).size(), 1u);
  expect_accounted({b_.get()});
  b_.reset();
  EXPECT_EQ(machine_.allocator.bytes_in_use(), 0u);
  EXPECT_EQ(machine_.factory->common_bytes(), 0u);
}

// At any power of two, in the middle of a table or above it, where nothing is mapped yet or much.
TEST_F(GptShare, AtAnyPowerOfTwo) {
  for (unsigned log2 = 12; log2 < 40; ++log2) {
    SCOPED_TRACE(log2);
    const auto a = make(11);
    const auto b = make(12);
    const uint64_t bytes = uint64_t{1} << log2;
    const uint64_t from = uint64_t{1} << 44;
    const uint64_t to = uint64_t{3} << 42;
    for (uint64_t i = 0; i < 64; ++i)  // some inside, some beside
      ASSERT_EQ(map(*a, from + i * kPage, leaf(i)), Status::Ok);
    ASSERT_EQ(map(*b, to - kPage, leaf(1000)), Status::Ok);
    ASSERT_EQ(map(*b, to + bytes, leaf(1001)), Status::Ok);
    ASSERT_EQ(b->share(VirtAddr(to), *a, VirtAddr(from), PageShift(log2), kAll), Status::Ok);
    for (uint64_t i = 0; i < 64; ++i) {
      EXPECT_EQ(at(*a, from + i * kPage), leaf(i));
      EXPECT_EQ(at(*b, to + i * kPage), i * kPage < bytes    ? leaf(i)
                                        : i * kPage == bytes ? leaf(1001)
                                                             : kNone);
    }
    EXPECT_EQ(at(*b, to - kPage), leaf(1000));
    EXPECT_EQ(at(*b, to + bytes), leaf(1001));
    EXPECT_EQ(b->stats().leaves, 2 + std::min<uint64_t>(64, bytes / kPage));
    expect_accounted({a.get(), b.get(), a_.get(), b_.get()});
  }
  a_.reset();
  b_.reset();
  EXPECT_EQ(machine_.allocator.bytes_in_use(), 0u);
}

TEST_F(GptShare, RefusesWhatCannotBe) {
  ASSERT_EQ(map(*a_, kBase, leaf(1 << 9, 21), 21), Status::Ok);
  ASSERT_EQ(map(*b_, kBase, leaf(2)), Status::Ok);
  const auto share = [&](uint64_t to, uint64_t from, unsigned log2) {
    return b_->share(VirtAddr(to), *a_, VirtAddr(from), PageShift(log2), kAll);
  };
  EXPECT_EQ(share(k2M + kPage, kBase, 21), Status::BadAlign);
  EXPECT_EQ(share(k2M, kBase + kPage, 21), Status::BadAlign);
  EXPECT_EQ(share(kBase, kBase, 21), Status::Occupied);
  EXPECT_EQ(share(0, kBase, 20), Status::Overlap);  // part of a leaf
  EXPECT_EQ(share(0, kBase, 21), Status::Ok);       // the whole of it
  EXPECT_EQ(share(0, kBase, 21), Status::Occupied);
  EXPECT_EQ(at(*b_, k2M - 1), leaf(1 << 9, 21));
  EXPECT_EQ(share(uint64_t{1} << 48, kBase, 21), Status::NotSupported);
  Gather gather;
  EXPECT_EQ(b_->leave(VirtAddr(kBase), gather), Status::NotSupported);
}

// 2048 pages in four tables below one; all of it shared.
TEST_F(GptShare, UnshareCopiesTheWayAndLeavesTheRest) {
  constexpr uint64_t kPages = 2048;
  for (uint64_t i = 0; i < kPages; ++i)
    ASSERT_EQ(map(*a_, kBase + i * kPage, leaf(i)), Status::Ok);
  const uint64_t there = 64 * k2M;
  ASSERT_EQ(b_->share(VirtAddr(there), *a_, VirtAddr(kBase), PageShift(23), kAll), Status::Ok);
  uint64_t copied = 0;
  ASSERT_EQ(b_->unshare(VirtAddr(there + 600 * kPage),
                        [&](size_t, pt::Run& from, pt::Run& to) {
                          copied += from.count;
                          return copy_all(0, from, to);
                        }),
            Status::Ok);
  EXPECT_EQ(copied, 512u);  // one table of the four
  for (uint64_t i = 0; i < kPages; ++i) {
    EXPECT_EQ(at(*a_, kBase + i * kPage), leaf(i));
    EXPECT_EQ(at(*b_, there + i * kPage), leaf(i));
    const bool mine = i >= 512 && i < 1024;
    EXPECT_EQ(b_->peek(VirtAddr(there + i * kPage)).shared, !mine) << i;
    EXPECT_EQ(b_->sharers(VirtAddr(there + i * kPage)).size(), mine ? 0u : 2u) << i;
  }
  // What one does there the other does not see; elsewhere it does.
  clear(*b_, there + 600 * kPage);
  EXPECT_EQ(at(*a_, kBase + 600 * kPage), leaf(600));
  clear(*b_, there + 100 * kPage);
  EXPECT_EQ(at(*a_, kBase + 100 * kPage), kNone);
  expect_accounted({a_.get(), b_.get()});

  // The other is the only user of that table now: no copy is made.
  ASSERT_EQ(a_->unshare(VirtAddr(kBase + 600 * kPage),
                        [](size_t, pt::Run&, pt::Run&) {
                          ADD_FAILURE() << "copied";
                          return true;
                        }),
            Status::Ok);
  EXPECT_FALSE(a_->peek(VirtAddr(kBase + 600 * kPage)).shared);
  EXPECT_TRUE(a_->peek(VirtAddr(kBase)).shared);
  expect_accounted({a_.get(), b_.get()});
  b_.reset();
  expect_accounted({a_.get()});
  EXPECT_EQ(a_->stats().leaves, kPages - 1);
}

// Two blocks side by side, in which there is nothing, shared and one's own again: no table is left.
TEST_F(GptShare, NothingIsLeftOfEmptyBlocks) {
  for (const uint64_t block : {uint64_t{0}, k2M})
    ASSERT_EQ(b_->share(VirtAddr(kBase + block), *a_, VirtAddr(kBase + block), PageShift(21), kAll),
              Status::Ok);
  for (PageTable* table : {b_.get(), a_.get()}) {
    for (const uint64_t block : {uint64_t{0}, k2M})
      ASSERT_EQ(table->unshare(VirtAddr(kBase + block), copy_all), Status::Ok);
    Gather gather;
    table->trim(machine_.everything(), VirtAddr(0), VirtAddr(0), gather);
    gather.release_tables();
    EXPECT_EQ(table->table_bytes(), 0u);
  }
  EXPECT_EQ(machine_.factory->common_bytes(), 0u);
}

TEST_F(GptShare, TheMaskStaysWithWhatBecomesOnesOwn) {
  const auto c = make(3);
  for (uint64_t i = 0; i < 8; ++i)
    ASSERT_EQ(map(*a_, kBase + i * kPage, leaf(i)), Status::Ok);
  const Rights read{Rights::kRead | Rights::kUser};
  for (PageTable* other : {b_.get(), c.get()})
    ASSERT_EQ(other->share(VirtAddr(0), *a_, VirtAddr(kBase), PageShift(15), read), Status::Ok);
  ASSERT_EQ(b_->unshare(VirtAddr(0), copy_all), Status::Ok);  // a copy
  EXPECT_EQ(at(*b_, 3 * kPage), machine_.format.write_protected(leaf(3)));
  a_.reset();
  ASSERT_EQ(c->unshare(VirtAddr(0), copy_all), Status::Ok);  // the last one: as it is
  EXPECT_EQ(at(*c, 3 * kPage), machine_.format.write_protected(leaf(3)));
}

TEST_F(GptShare, LeaveIsBusyForTheLastWithLeaves) {
  for (uint64_t i = 0; i < 8; ++i)
    ASSERT_EQ(map(*a_, kBase + i * kPage, leaf(i)), Status::Ok);
  ASSERT_EQ(b_->share(VirtAddr(0), *a_, VirtAddr(kBase), PageShift(15), kAll), Status::Ok);
  Gather gather;
  ASSERT_EQ(a_->leave(VirtAddr(kBase + 5 * kPage), gather), Status::Ok);
  EXPECT_EQ(gather.range(), (VirtRange{VirtAddr(kBase), VirtAddr(kBase + 8 * kPage)}));
  EXPECT_EQ(a_->stats().leaves, 0u);
  EXPECT_EQ(a_->table_bytes(), 0u);
  EXPECT_EQ(b_->leave(VirtAddr(0), gather), Status::Busy);
  EXPECT_EQ(b_->stats().leaves, 8u);
  for (uint64_t i = 0; i < 8; ++i)
    clear(*b_, i * kPage);
  ASSERT_EQ(b_->leave(VirtAddr(0), gather), Status::Ok);
  gather.release_tables();
  EXPECT_EQ(machine_.factory->common_bytes(), 0u);
  expect_accounted({a_.get(), b_.get()});
}

// What is left of sharing when all its leaves are gone goes with trim().
TEST_F(GptShare, TrimLeavesWhatHoldsNoLeaf) {
  ASSERT_EQ(map(*a_, kBase, leaf(1)), Status::Ok);
  ASSERT_EQ(map(*a_, kBase + k2M, leaf(2)), Status::Ok);
  for (const uint64_t at : {uint64_t{0}, k2M})
    ASSERT_EQ(b_->share(VirtAddr(at), *a_, VirtAddr(kBase + at), PageShift(21), kAll), Status::Ok);
  const VirtRange everything{VirtAddr(0), VirtAddr(uint64_t{1} << 48)};
  Gather gather;
  b_->trim(everything, VirtAddr(0), VirtAddr(0), gather);  // there are leaves: nothing goes
  EXPECT_EQ(b_->stats().leaves, 2u);
  clear(*b_, 0);
  clear(*a_, kBase + k2M);
  // Not all of the first block is in the gap.
  b_->trim(everything, VirtAddr(kPage), VirtAddr(2 * k2M), gather);
  EXPECT_EQ(a_->sharers(VirtAddr(kBase)).size(), 2u);
  EXPECT_EQ(a_->sharers(VirtAddr(kBase + k2M)).size(), 1u);
  b_->trim(everything, VirtAddr(0), VirtAddr(0), gather);
  EXPECT_EQ(b_->table_bytes(), 0u);
  a_->trim(everything, VirtAddr(0), VirtAddr(0), gather);
  EXPECT_EQ(a_->table_bytes(), 0u);
  EXPECT_GT(machine_.allocator.bytes_in_use(), 2 * 16u);  // in the gather
  gather.release_tables();
  EXPECT_EQ(machine_.allocator.bytes_in_use(), 2 * 16u);  // two roots
}

// A block that was shared in part becomes one leaf only when nobody else has that part.
TEST_F(GptShare, PromoteTakesOverWhatIsNobodyElses) {
  for (uint64_t i = 0; i < 512; ++i)
    ASSERT_EQ(map(*a_, kBase + i * kPage, leaf(512 + i)), Status::Ok);
  ASSERT_EQ(b_->share(VirtAddr(0), *a_, VirtAddr(kBase), PageShift(16), kAll), Status::Ok);
  Gather gather;
  EXPECT_EQ(a_->promote(VirtAddr(kBase), PageShift(21), gather), Status::NotUniform);
  b_.reset();
  EXPECT_EQ(a_->promote(VirtAddr(kBase), PageShift(21), gather), Status::Ok);
  gather.release_tables();
  EXPECT_EQ(at(*a_, kBase + 7 * kPage), leaf(512, 21));
  EXPECT_EQ(machine_.factory->common_bytes(), 0u);
}

TEST_F(GptShare, NothingInTheWayOfALargeLeafThatMoves) {
  const uint64_t there = uint64_t{9} << 30;
  ASSERT_EQ(map(*a_, kBase, leaf(512, 21), 21), Status::Ok);
  ASSERT_EQ(b_->share(VirtAddr(0), *a_, VirtAddr(there), PageShift(20), kAll), Status::Ok);
  b_.reset();
  uint64_t done = 0;
  EXPECT_EQ(a_->move_range(VirtAddr(kBase), VirtAddr(there), k2M, done), Status::Ok);
  EXPECT_EQ(at(*a_, there), leaf(512, 21));
}

TEST_F(GptShare, AnEmptySlotLargerThanTheBlockIsNoLeaf) {
  ASSERT_EQ(map(*a_, kBase, leaf(512, 21), 21), Status::Ok);
  clear(*a_, kBase);
  EXPECT_EQ(b_->share(VirtAddr(0), *a_, VirtAddr(kBase), PageShift(12), kAll), Status::Ok);
}

// Pages of several address spaces, some the same page of the same sub-tree. The model: each page of
// each space has a cell; sharing makes them the same cell, unsharing gives a new one to the pages
// that the table says are no longer shared. Then values must agree everywhere, and so must who
// shares with whom.
class Model {
 public:
  static constexpr unsigned kSpaces = 4;
  static constexpr uint64_t kBlocks = 4;
  static constexpr uint64_t kPages = 64;        // per block
  using Place = std::pair<unsigned, uint64_t>;  // a page of a space

  uint64_t& value(unsigned space, uint64_t page) { return values_[cell(space, page)]; }
  [[nodiscard]] uint64_t cell(unsigned space, uint64_t page) const {
    return cells_.at({space, page});
  }
  void renew(unsigned space, uint64_t page, uint64_t value) {
    put({space, page}, next_);
    values_[next_++] = value;
  }
  void join(unsigned space, uint64_t page, unsigned other, uint64_t other_page) {
    put({space, page}, cell(other, other_page));
  }
  Model() {
    for (unsigned space = 0; space < kSpaces; ++space)
      for (uint64_t page = 0; page < kBlocks * kPages; ++page)
        renew(space, page, kNone);
  }
  [[nodiscard]] const std::set<Place>& users(uint64_t cell) const { return users_.at(cell); }

 private:
  void put(const Place& place, uint64_t cell) {
    const auto [at, is_new] = cells_.try_emplace(place, cell);
    if (!is_new) {
      users_[at->second].erase(place);
      at->second = cell;
    }
    users_[cell].insert(place);
  }

  std::map<Place, uint64_t> cells_;
  std::map<uint64_t, std::set<Place>> users_;  // by cell
  std::map<uint64_t, uint64_t> values_;
  uint64_t next_ = 1;
};

class GptShareRandom : public GptShare {
 protected:
  void drive(uint64_t seed, bool failing);
};

void GptShareRandom::drive(uint64_t seed, bool failing) {
  Random random(seed);
  Model model;
  std::vector<std::unique_ptr<PageTable>> tables;
  for (unsigned i = 0; i < Model::kSpaces; ++i)
    tables.push_back(make(10 + i));
  constexpr uint64_t kNowhere = ~uint64_t{0};
  const auto address = [](uint64_t page) { return kBase + page * kPage; };
  const auto check = [&](unsigned step) {
    for (unsigned space = 0; space < Model::kSpaces; ++space) {
      uint64_t leaves = 0;
      for (uint64_t page = 0; page < Model::kBlocks * Model::kPages; ++page) {
        const uint64_t expected = model.value(space, page);
        leaves += expected != kNone ? 1 : 0;
        ASSERT_EQ(at(*tables[space], address(page)), expected)
            << "seed " << seed << " step " << step << " space " << space << " page " << page;
      }
      ASSERT_EQ(tables[space]->stats().leaves, leaves) << "seed " << seed << " step " << step;
    }
    const auto space = static_cast<unsigned>(random.below(Model::kSpaces));
    const uint64_t page = random.below(Model::kBlocks * Model::kPages);
    std::set<Model::Place> sharers;
    for (const Sharer& sharer : tables[space]->sharers(VirtAddr(address(page)))) {
      // The base is of the sub-tree; the page has the same offset in each.
      uint64_t own = kNowhere;
      for (const Sharer& me : tables[space]->sharers(VirtAddr(address(page))))
        if (me.mm == MmId(10 + space) && me.base <= VirtAddr(address(page)) &&
            (own == kNowhere || me.base.value() > own))
          own = me.base.value();
      const uint64_t offset = address(page) - own;
      sharers.insert({static_cast<unsigned>(sharer.mm.value() - 10),
                      (sharer.base.value() + offset - kBase) / kPage});
    }
    if (sharers.empty()) sharers.insert({space, page});
    const auto& users = model.users(model.cell(space, page));
    ASSERT_TRUE(users.size() == 1 || sharers == users) << "seed " << seed << " step " << step;
  };

  for (unsigned step = 0; step < 250; ++step) {
    const auto space = static_cast<unsigned>(random.below(Model::kSpaces));
    PageTable& table = *tables[space];
    const uint64_t page = random.below(Model::kBlocks * Model::kPages);
    const uint64_t what = random.below(10);
    const auto other = static_cast<unsigned>(random.below(Model::kSpaces));
    if (failing) machine_.allocator.fail_after(1 + random.below(6));
    if (what < 5) {
      const Entry e = leaf(1 + random.below(1000));
      const Status status = map(table, address(page), e);
      ASSERT_TRUE(status == Status::Ok || (failing && status == Status::NoMemory));
      if (status == Status::Ok) model.value(space, page) = e;
    } else if (what < 6) {
      if (model.value(space, page) != kNone) {
        clear(table, address(page));
        model.value(space, page) = kNone;
      }
    } else if (what < 8 && other != space) {
      const unsigned log2 = 12 + static_cast<unsigned>(random.below(7));
      const uint64_t count = uint64_t{1} << (log2 - 12);
      const uint64_t to = page / count * count;
      const uint64_t from = random.below(Model::kBlocks * Model::kPages) / count * count;
      const Status status = table.share(VirtAddr(address(to)), *tables[other],
                                        VirtAddr(address(from)), PageShift(log2), kAll);
      if (status == Status::Ok)
        for (uint64_t i = 0; i < count; ++i)
          model.join(space, to + i, other, from + i);
      else
        ASSERT_TRUE(status == Status::Occupied || (failing && status == Status::NoMemory))
            << name_of(status);
    } else {
      const Status status = table.unshare(VirtAddr(address(page)), copy_all);
      ASSERT_TRUE(status == Status::Ok || (failing && status == Status::NoMemory));
      if (status == Status::Ok) {
        ASSERT_FALSE(table.peek(VirtAddr(address(page))).shared);
      }
    }
    machine_.allocator.fail_after(0);
    const bool trims = random.below(8) == 0;
    if (trims) {
      Gather gather;
      table.trim(machine_.everything(), VirtAddr(0), VirtAddr(0), gather);
      gather.release_tables();
    }
    // What was unshared, or left because it held nothing.
    for (uint64_t i = 0; (trims || what >= 6) && i < Model::kBlocks * Model::kPages; ++i)
      if (model.users(model.cell(space, i)).size() > 1 &&
          table.sharers(VirtAddr(address(i))).size() < 2)
        model.renew(space, i, model.value(space, i));
    check(step);
    if (HasFatalFailure()) return;
  }
  // A copy for a child is its own.
  auto child = make(99);
  const VirtRange all = machine_.everything();
  ASSERT_EQ(tables[0]->copy_ranges(*child, {&all, 1}, copy_all), Status::Ok);
  for (uint64_t page = 0; page < Model::kBlocks * Model::kPages; ++page) {
    ASSERT_EQ(at(*child, address(page)), model.value(0, page));
    ASSERT_FALSE(child->peek(VirtAddr(address(page))).shared);
  }
  child.reset();
  while (!tables.empty())
    tables.erase(tables.begin() + static_cast<std::ptrdiff_t>(random.below(tables.size())));
  a_.reset();
  b_.reset();
  EXPECT_EQ(machine_.allocator.bytes_in_use(), 0u) << "seed " << seed;
  EXPECT_EQ(machine_.factory->common_bytes(), 0u) << "seed " << seed;
  a_ = make(1);
  b_ = make(2);
}

TEST_F(GptShareRandom, AgreesWithTheModel) {
  for (uint64_t seed = 1; seed <= tests::effort(8) && !HasFailure(); ++seed)
    drive(seed, false);
}

TEST_F(GptShareRandom, AgreesWithTheModelWhenMemoryFails) {
  for (uint64_t seed = 101; seed <= 100 + tests::effort(8) && !HasFailure(); ++seed)
    drive(seed, true);
}

}  // namespace gpt_share_test
}  // namespace mmusim::pt
