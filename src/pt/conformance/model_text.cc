// Operations in words.
#include <algorithm>

#include "pt/conformance/model.h"

namespace mmusim::pt::conformance {
namespace {

std::string with_address(const char* what, uint64_t va) {
  return fmt::format("{} at {:#x}", what, va);
}

}  // namespace

std::string Model::describe(const Operation& operation) const {
  const VirtRange range = range_of(operation);
  const auto in_range = [&](const char* what) {
    return fmt::format("{} [{:#x}, {:#x})", what, range.begin.value(), range.end.value());
  };
  std::string text;
  switch (operation.action) {
    case Action::Map:
      text = fmt::format("map a page of 2^{} bytes at {:#x}", size_of(operation).log2(),
                         address_of(operation.at) & ~size_of(operation).offset_mask());
      break;
    case Action::Clear:
      text = with_address("clear what is", address_of(operation.at));
      break;
    case Action::Sweep: {
      static constexpr std::array<const char*, 4> kWhat = {
          "clear through a cursor", "write-protect through a cursor",
          "fill empty slots through a cursor", "read with seeks"};
      text = in_range(kWhat[(operation.salt >> 4) % 4]);
      break;
    }
    case Action::Build:
      text = in_range("fill with a Build cursor");
      break;
    case Action::Split:
      text = fmt::format("split the leaf at {:#x} into pages of 2^{} bytes",
                         address_of(operation.at), size_of(operation).log2());
      break;
    case Action::Promote:
      text = fmt::format("promote the block of 2^{} bytes around {:#x}", size_of(operation).log2(),
                         address_of(operation.at));
      break;
    case Action::Copy:
      text = in_range("copy") + " into a new table, check it, and drop it";
      break;
    case Action::Trim:
      text = in_range("trim");
      break;
    case Action::Move:
      text = in_range("move") + fmt::format(" to {:#x}", address_of(operation.to));
      break;
    case Action::Share:
      text = describe_share(operation);
      break;
  }
  if (operation.fails != 0)
    text += fmt::format(", while allocation {} from here on fails", operation.fails);
  return text;
}

}  // namespace mmusim::pt::conformance
