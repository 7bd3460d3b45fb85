// The keys pt.mlpt.*, and multi-level page tables made of them.
#include "config/keys.h"
#include "pt/mlpt/mlpt.h"

namespace mmusim::pt::mlpt {
namespace {

constexpr const char* kLevelsKey = "pt.mlpt.levels";

class MlptFactory final : public Factory {
 public:
  MlptFactory(const Environment& environment, const RadixGeometry& geometry,
              const std::string& where)
      : environment_(environment),
        shape_(geometry, environment.page, where, environment.format->entry_bytes) {}

  std::unique_ptr<PageTable> create(MmId mm) override {
    const auto root = environment_.allocator->allocate(shape_.level(shape_.top()).table_bytes, mm);
    if (!root) return nullptr;
    return std::make_unique<Mlpt>(environment_, shape_, mm, *root, &sharing_);
  }

  const RadixGeometry* hardware_walkable() const override { return &shape_.geometry(); }
  uint64_t common_bytes() const override { return sharing_.bytes(); }
  bool can_map(VirtAddr va) const override { return shape_.maps(va); }

 private:
  Environment environment_;
  Shape shape_;
  Sharing sharing_;
};

struct Options {
  std::string levels;
};

const config::Keys<Options>& keys() {
  static const config::Keys<Options> kKeys = config::Keys<Options>().text(
      kLevelsKey, &Options::levels,
      "Levels of the multi-level page table from the leaf level up, each as shift:bits[:leaf], "
      "separated by commas: log2 of the bytes an entry covers, log2 of a table's entries, whether "
      "entries may be leaves; the highest may be shift:bits:region3, IA-64's 3 region bits in its "
      "index, or shift:bits:signed, for sign-extended addresses. Empty: the architecture's own.");
  return kKeys;
}

std::unique_ptr<Factory> make(const config::Config& config, const Environment& environment) {
  const std::string levels = keys().read(config).levels;
  if (levels.empty())
    return std::make_unique<MlptFactory>(environment, environment.geometry,
                                         "the architecture's page-table levels");
  return std::make_unique<MlptFactory>(environment, parse_levels(levels), kLevelsKey);
}

}  // namespace

Backend backend() {
  return {.name = "mlpt",
          .summary = "multi-level radix table of 2 to 5 levels",
          .declare = [](config::Schema& schema) { keys().declare(schema); },
          .make = make};
}

}  // namespace mmusim::pt::mlpt
