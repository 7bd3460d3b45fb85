// What the entries of a guarded page table say.
#include <fmt/format.h>

#include "base/units.h"
#include "pt/gpt/gpt.h"

namespace mmusim::pt::gpt {
namespace {

// Its bits as a number, and where the address, of which `rest` is next, differs.
std::string guard_text(const GuardedEntry& e, uint64_t rest, unsigned consumed) {
  if (e.guard_length() == 0) return "guard=none";
  const unsigned common = e.common_with(rest);
  return fmt::format("guard={:#x}/{} {}", number_of(e.guard(), e.guard_length()), e.guard_length(),
                     common == e.guard_length()
                         ? "agrees"
                         : fmt::format("differs at bit {}", kKeyBits - 1 - consumed - common));
}

}  // namespace

// A step's part is how many bits of the address were used on the way to it.
WordText Gpt::describe(const WalkStep& step, VirtAddr va) const {
  const GuardedEntry e = tables_.at(step.address).get(0);
  const unsigned consumed = step.part;
  const std::string guard = guard_text(e, behind(va.value(), consumed), consumed);
  WordText text{.what = step.address == root_.address ? "GPT root" : "GPT entry", .fields = {}};
  switch (e.kind()) {
    case Kind::Invalid:
      text.fields = e.is_moved() ? "kind=moved: begin again at the root" : "kind=invalid";
      break;
    case Kind::Internal:
      text.fields = fmt::format("kind=internal {} slots=2^{} table={:#x} valid={} full={}", guard,
                                e.width(), e.address().value(), e.valid(), e.full());
      break;
    case Kind::Leaf: {
      // A leaf that fills several slots has no guard, and its size goes by them.
      const PageShift size(kKeyBits - consumed - e.guard_length() + e.replicas_log2());
      text.fields = fmt::format("kind=leaf {} copies=2^{} covers={} pte: {}", guard,
                                e.replicas_log2(), format_size(size.bytes()),
                                e.body == kNone ? "none" : format_->describe(e.body, size));
      break;
    }
    case Kind::Shared:
      text.fields = fmt::format("kind=shared {} root={:#x} rights={}{}", guard, e.address().value(),
                                format_rights(e.mask()), e.mask().has(Rights::kUser) ? 'u' : '-');
      break;
  }
  return text;
}

}  // namespace mmusim::pt::gpt
