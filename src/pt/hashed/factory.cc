// The keys of hashed and clustered page tables, and tables made of them.
#include <algorithm>

#include "base/bits.h"
#include "config/keys.h"
#include "pt/hashed/hashed.h"

namespace mmusim::pt::hashed {
namespace {

class HashedFactory final : public Factory {
 public:
  HashedFactory(const Environment& environment, unsigned block_log2, bool global)
      : environment_(environment) {
    rules_.sizes.push_back(environment.page);
    rules_.sizes.insert(rules_.sizes.end(), environment.leaf_sizes.begin(),
                        environment.leaf_sizes.end());
    const RadixLevel& top = environment.geometry.back();
    // With regions, addresses have all 64 bits.
    const unsigned bits = top.region_bits != 0 ? 64 : top.shift + top.index_bits;
    rules_.last = VirtAddr(bits >= 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1);
    // A block lies within a larger leaf, or outside it.
    rules_.block_log2 = rules_.sizes.size() == 1
                            ? block_log2
                            : std::min(block_log2, rules_.sizes[1].log2() - rules_.page().log2());
    rules_.global = global;
    rules_.handler = handler_counts(environment.architecture, block_log2 != 0);
  }

  std::unique_ptr<PageTable> create(MmId mm) override {
    std::shared_ptr<Store> store = rules_.global ? shared_.lock() : nullptr;
    if (store == nullptr) store = Store::make(environment_, rules_, mm);
    if (store == nullptr) return nullptr;
    if (rules_.global) shared_ = store;
    return std::make_unique<Hashed>(environment_, rules_, mm, std::move(store));
  }
  const RadixGeometry* hardware_walkable() const override { return nullptr; }
  bool can_map(VirtAddr va) const override { return va <= rules_.last; }
  uint64_t common_bytes() const override {
    const auto store = shared_.lock();
    return store == nullptr ? 0 : store->bytes();
  }

 private:
  Environment environment_;
  Rules rules_;
  std::weak_ptr<Store> shared_;  // of the tables there are, where one serves all
};

// The keys pt.hashed.* and pt.clustered.*.
struct Options {
  bool global = false;
  unsigned block = 16;
};

config::Keys<Options> scope_key(const char* name) {
  return config::Keys<Options>().choice(
      name, &Options::global, {{"space", false}, {"global", true}},
      "space: each address space has a table of its own; global: one serves all, and its nodes say "
      "whose they are.");
}

const config::Keys<Options>& hashed_keys() {
  static const config::Keys<Options> kKeys = scope_key("pt.hashed.scope");
  return kKeys;
}

const config::Keys<Options>& clustered_keys() {
  static const config::Keys<Options> kKeys =
      config::Keys<Options>()
          .number("pt.clustered.block", &Options::block,
                  "Pages of a block, a power of two; at most what the next larger leaf covers.", 2,
                  64)
          .power_of_two("pt.clustered.block", &Options::block,
                        "blocks are found by bits of a page's number")
          .join(scope_key("pt.clustered.scope"));
  return kKeys;
}

}  // namespace

Backend backend() {
  return {.name = "hashed",
          .summary = "hashed table with chains, a node per leaf; per address space or global",
          .declare = [](config::Schema& schema) { hashed_keys().declare(schema); },
          .make = [](const config::Config& config,
                     const Environment& environment) -> std::unique_ptr<Factory> {
            return std::make_unique<HashedFactory>(environment, 0,
                                                   hashed_keys().read(config).global);
          }};
}

Backend clustered_backend() {
  return {.name = "clustered",
          .summary = "hashed table whose nodes serve blocks of 2 to 64 pages",
          .declare = [](config::Schema& schema) { clustered_keys().declare(schema); },
          .make = [](const config::Config& config,
                     const Environment& environment) -> std::unique_ptr<Factory> {
            const Options options = clustered_keys().read(config);
            return std::make_unique<HashedFactory>(environment, log2_floor(options.block),
                                                   options.global);
          }};
}

}  // namespace mmusim::pt::hashed
