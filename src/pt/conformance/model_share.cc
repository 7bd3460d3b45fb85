// Random runs share blocks: a second table joins, both change what they have in common, and one of
// them goes its own way again.
#include <algorithm>

#include "pt/conformance/model.h"

namespace mmusim::pt::conformance {
namespace {

bool copy_all(size_t /*range*/, Run& from, Run& to) {
  for (uint32_t i = 0; i < from.count; ++i)
    to.set(i, from.get(i));
  return true;
}

void clear_all(PageTable& table, VirtRange range) {
  const auto cursor = table.cursor(range);
  each_run(*cursor, [](Run& run) {
    if (run.shared) return true;  // the others' as well
    for (uint32_t i = 0; i < run.count; ++i)
      run.set(i, kNone);
    return true;
  });
}

}  // namespace

Oracle Model::seen_by_other(const Block& block) const {
  Oracle seen;
  for (OracleLeaf leaf : oracle_.within(block.own().begin.value(), block.own().end.value())) {
    leaf.base = (block.theirs + (VirtAddr(leaf.base) - block.mine)).value();
    seen.set(leaf);
  }
  return seen;
}

std::string Model::describe_share(const Operation& operation) const {
  const PageShift size = block_of(operation);
  return fmt::format("share 2^{} bytes at {:#x} with a new table that has them at {:#x}, and part",
                     size.log2(), address_of(operation.at) & ~size.offset_mask(),
                     address_of(operation.to) & ~size.offset_mask());
}

// What a table of some level covers, the leaf level's as a rule, or any other power of two up to a
// few leaf tables.
PageShift Model::block_of(const Operation& operation) const {
  const RadixGeometry& geometry = machine_.environment.geometry;
  const RadixLevel& leaf_level = geometry[0];
  if (operation.salt % 8 == 0)
    return PageShift(geometry[1 + (operation.salt >> 3) % (geometry.size() - 1)].shift);
  if (operation.salt % 2 == 0) return PageShift(machine_.layout.table_span());
  return PageShift(machine_.page.log2() + (operation.salt >> 1) % (leaf_level.index_bits + 3));
}

void Model::share(const Operation& operation) {
  if (!table_->capabilities().shares()) return;
  Random random(operation.salt);
  const PageShift size = block_of(operation);
  const Block block{
      .mine = VirtAddr(address_of(operation.at) & ~size.offset_mask()),
      .theirs = VirtAddr(address_of(operation.to) & ~size.offset_mask()),
      .size = size,
      .mask = random.below(4) == 0 ? Rights(Rights::kRead | Rights::kUser) : Rights::all()};
  for (const VirtAddr at : {block.mine, block.theirs})
    if (size.bytes() > machine_.room(at.value())) return;
  auto other = machine_.factory->create(MmId(2));
  if (other == nullptr)
    return expect_out_of_memory(Status::NoMemory, promise::kNoMemory, "create()");

  const auto here = oracle_.within(block.own().begin.value(), block.own().end.value());
  const bool larger = !here.empty() && here[0].log2 > size.log2();
  const Status status = other->share(block.theirs, *table_, block.mine, size, block.mask);
  const bool refused =
      status == Status::BadSize || (status == Status::NotSupported && block.mask != Rights::all());
  shared_ = true;
  if (status == Status::NoMemory) {
    expect_out_of_memory(status, promise::kSharing, "the status of share()");
  } else if (!refused &&
             !(status == Status::Overlap && !here.empty() && here[0].log2 >= size.log2())) {
    expect_same(status, larger ? Status::Overlap : Status::Ok, promise::kSharing,
                "the status of share()");
    if (status == Status::Ok) share_block(*other, block, random);
  }
  clear_all(*other, machine_.everything());
  other.reset();
  check_account();
}

// Leaves that are not shared, near the block and side by side: a table that the block hangs in may
// take another form with them.
void Model::put_beside(PageTable& actor, VirtRange block, Oracle& leaves, Random& random) {
  const PageShift size = sizes_[random.below(4) == 0 ? random.below(sizes_.size()) : 0];
  const uint64_t step = std::max(size.bytes(), random.below(2) == 0 ? size.bytes() : block.bytes());
  const uint64_t distance = step * (1 + random.below(uint64_t{1} << random.below(5)));
  const bool below = random.below(2) == 0;
  if (below ? block.begin - machine_.space_of(block.begin.value()).begin < distance
            : machine_.room(block.begin.value()) <= distance)
    return;
  const VirtAddr begin = align_down(below ? block.begin - distance : block.begin + distance, size);
  const uint64_t count = 1 + random.below(8);
  for (uint64_t i = 0; i < count; ++i) {
    const VirtAddr va = begin + i * step;
    if (machine_.room(begin.value()) < i * step + size.bytes()) return;
    if (va < block.end && block.begin < va + size.bytes()) continue;
    if (!leaves.within(va.value(), (va + size.bytes()).value()).empty()) continue;
    const Slot slot = actor.ensure(va, size);
    // Empty tables may be in the way, or the block.
    if (slot.status == Status::Occupied && size > sizes_[0]) continue;
    if (slot.status != Status::Ok)
      return expect_out_of_memory(slot.status, promise::kSharing, "the status of ensure()");
    const Entry next = entry_for(size, random);
    expect_same(actor.install(slot.handle, kNone, next), Status::Ok, promise::kSharing,
                "the status of install()");
    leaves.set({va.value(), size.log2(), next});
  }
}

void Model::share_block(PageTable& other, const Block& block, Random& random) {
  const auto compare = [&] {
    check_leaves(*table_, oracle_, block.own());
    check_leaves(other, seen_by_other(block), block.others());
  };
  compare();
  const uint64_t pages = block.size.bytes() >> machine_.page.log2();
  const auto some_page = [&] { return random.below(pages) << machine_.page.log2(); };
  Oracle others;  // its own leaves
  const uint64_t steps = random.below(10);
  for (uint64_t step = 0; step < steps; ++step) {
    const uint64_t at = some_page();
    const bool by_other = random.below(2) == 0;
    PageTable& actor = by_other ? other : *table_;
    if (random.below(3) != 0) {
      put_beside(actor, by_other ? block.others() : block.own(), by_other ? others : oracle_,
                 random);
      continue;
    }
    const VirtAddr va = (by_other ? block.theirs : block.mine) + at;
    const Lookup found = actor.find(va);
    expect(
        found.shared, promise::kSharing, [&] { return fmt::format("{:#x} shared", va.value()); },
        "not shared");
    expect(
        found.mask == (by_other ? block.mask : Rights::all()), promise::kSharing,
        [&] { return fmt::format("the rights given at {:#x}", va.value()); }, "others");
    if (found.entry != kNone) {
      Entry old = kNone;
      expect_same(actor.clear(found.handle, old), Status::Ok, promise::kSharing,
                  "the status of clear()");
      oracle_.erase((block.mine + (found.base - (by_other ? block.theirs : block.mine))).value());
    } else {
      const Slot slot = actor.ensure(va, machine_.page);
      if (slot.status != Status::Ok) {
        expect_out_of_memory(slot.status, promise::kSharing, "the status of ensure()");
        continue;
      }
      const Entry next = entry_for(machine_.page, random);
      expect_same(actor.install(slot.handle, kNone, next), Status::Ok, promise::kSharing,
                  "the status of install()");
      oracle_.set({(block.mine + at).value(), machine_.page.log2(), next});
    }
    check_address((block.mine + at).value());
  }
  compare();
  for (const OracleLeaf& leaf :
       seen_by_other(block).within(block.others().begin.value(), block.others().end.value()))
    others.set(leaf);
  check_leaves(other, others, machine_.everything());
  const auto users = other.sharers(block.theirs);
  for (const uint64_t mm : {uint64_t{1}, uint64_t{2}})
    expect(std::any_of(users.begin(), users.end(),
                       [&](const Sharer& user) { return user.mm == MmId(mm); }),
           promise::kSharing, "both tables among the sharers", "one of them missing");
  part(other, block, random);
}

// One of the two unshares a page, or the other leaves, or it just ends.
void Model::part(PageTable& other, const Block& block, Random& random) {
  const uint64_t at = random.below(block.size.bytes() >> machine_.page.log2())
                      << machine_.page.log2();
  const uint64_t how = random.below(4);
  if (how == 0) {
    Gather gather;
    const Status left = other.leave(block.theirs, gather);
    expect_same(left, Status::Ok, promise::kLeave, "the status of leave()");
    gather.release_tables();
    check_leaves(other, Oracle(), block.others());
  } else if (how == 1 || (how == 2 && block.mask == Rights::all())) {
    PageTable& leaver = how == 1 ? *table_ : other;
    const VirtAddr va = (how == 1 ? block.mine : block.theirs) + at;
    const Status status = leaver.unshare(va, copy_all);
    if (status != Status::Ok)
      expect_out_of_memory(status, promise::kUnshare, "the status of unshare()");
    check_leaves(other, seen_by_other(block), block.others());
    if (status == Status::Ok) {
      const Lookup found = leaver.find(va);
      expect(
          !found.shared, promise::kUnshare,
          [&] { return fmt::format("{:#x} unshared", va.value()); }, "still shared");
      Entry old = kNone;
      const Oracle before = seen_by_other(block);
      if (found.entry != kNone) {
        expect_same(leaver.clear(found.handle, old), Status::Ok, promise::kUnshare,
                    "the status of clear()");
        if (how == 1) oracle_.erase(found.base.value());
      }
      if (how == 1) check_leaves(other, before, block.others());
    }
  }
  check_leaves(*table_, oracle_, block.own());
}

}  // namespace mmusim::pt::conformance
