#include <algorithm>

#include "base/bits.h"
#include "base/error.h"
#include "pt/hashed/hashed.h"

namespace mmusim::pt::hashed {
namespace {

class HashedFactory final : public Factory {
 public:
  HashedFactory(const Environment& environment, unsigned block_log2, bool global)
      : environment_(environment) {
    rules_.sizes.push_back(environment.page);
    for (const RadixLevel& level : environment.geometry)
      if (level.leaf_allowed && level.shift > environment.page.log2())
        rules_.sizes.emplace_back(level.shift);
    const RadixLevel& top = environment.geometry.back();
    // With regions, addresses have all 64 bits.
    const unsigned bits = top.region_bits != 0 ? 64 : top.shift + top.index_bits;
    rules_.last = VirtAddr(bits >= 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1);
    // A block lies within a larger leaf, or outside it.
    rules_.block_log2 = rules_.sizes.size() == 1
                            ? block_log2
                            : std::min(block_log2, rules_.sizes[1].log2() - rules_.page().log2());
    rules_.global = global;
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

constexpr const char* kScopeHelp =
    "space: each address space has a table of its own; global: one serves all, and its nodes say "
    "whose they are.";

void declare_scope(config::Schema& schema, const char* key) {
  schema.choice(key, "space", {"space", "global"}, kScopeHelp);
}

}  // namespace

Backend backend() {
  return {.name = "hashed",
          .summary = "hashed table with chains, a node per leaf; per address space or global",
          .declare = [](config::Schema& schema) { declare_scope(schema, "pt.hashed.scope"); },
          .make = [](const config::Config& config,
                     const Environment& environment) -> std::unique_ptr<Factory> {
            return std::make_unique<HashedFactory>(environment, 0,
                                                   config.choice("pt.hashed.scope") == "global");
          }};
}

Backend clustered_backend() {
  return {.name = "clustered",
          .summary = "hashed table whose nodes serve blocks of 2 to 64 pages",
          .declare =
              [](config::Schema& schema) {
                schema.number("pt.clustered.block", 16,
                              "Pages of a block, a power of two; at most what the next larger leaf "
                              "covers.",
                              2, 64);
                declare_scope(schema, "pt.clustered.scope");
              },
          .make = [](const config::Config& config,
                     const Environment& environment) -> std::unique_ptr<Factory> {
            const uint64_t block = config.number("pt.clustered.block");
            if (!is_power_of_two(block))
              throw UsageError("pt.clustered.block",
                               fmt::format("a block has a power of two of pages, not {}", block));
            return std::make_unique<HashedFactory>(environment, log2_floor(block),
                                                   config.choice("pt.clustered.scope") == "global");
          }};
}

}  // namespace mmusim::pt::hashed
