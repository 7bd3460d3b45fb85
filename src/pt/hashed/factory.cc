#include <algorithm>

#include "pt/hashed/hashed.h"

namespace mmusim::pt::hashed {
namespace {

class HashedFactory final : public Factory {
 public:
  explicit HashedFactory(const Environment& environment) : environment_(environment) {
    rules_.sizes.push_back(environment.page);
    for (const RadixLevel& level : environment.geometry)
      if (level.leaf_allowed && level.shift > environment.page.log2())
        rules_.sizes.emplace_back(level.shift);
    const RadixLevel& top = environment.geometry.back();
    // With regions, addresses have all 64 bits.
    const unsigned bits = top.region_bits != 0 ? 64 : top.shift + top.index_bits;
    rules_.last = VirtAddr(bits >= 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1);
  }

  std::unique_ptr<PageTable> create(MmId mm) override {
    const auto buckets = environment_.allocator->allocate(environment_.page.bytes(), mm);
    if (!buckets) return nullptr;
    return std::make_unique<Hashed>(environment_, rules_, mm, *buckets);
  }
  const RadixGeometry* hardware_walkable() const override { return nullptr; }
  bool can_map(VirtAddr va) const override { return va <= rules_.last; }

 private:
  Environment environment_;
  Rules rules_;
};

void declare(config::Schema& /*schema*/) {}

std::unique_ptr<Factory> make(const config::Config& /*config*/, const Environment& environment) {
  return std::make_unique<HashedFactory>(environment);
}

}  // namespace

Backend backend() {
  return {.name = "hashed",
          .summary = "hashed page table with chains, one per address space",
          .declare = declare,
          .make = make};
}

}  // namespace mmusim::pt::hashed
