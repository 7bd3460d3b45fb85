// What the entries of a guarded page table say.
#include <fmt/format.h>

#include "base/units.h"
#include "pt/gpt/gpt.h"

namespace mmusim::pt::gpt {
namespace {

// The addresses it is for, and where the address looked for differs.
std::string prefix_text(const GuardedEntry& e, uint64_t local) {
  if (e.length() == 0) return "prefix=none";
  const unsigned common = e.common_with(local);
  return fmt::format(
      "prefix={:#x}/{} {}", e.prefix(), e.length(),
      common == e.length() ? "agrees" : fmt::format("differs at bit {}", kKeyBits - 1 - common));
}

}  // namespace

WordText Gpt::describe(const WalkStep& step, VirtAddr va) const {
  if (step.part == kWordPart) {
    const Entry pte = *tables_.words(step.address);
    return {.what = "GPT array",
            .fields = pte == kNone ? "pte: none" : "pte: " + format_->describe(pte, page_)};
  }
  // Where addresses are those of a shared sub-tree's home, and what the walk found.
  uint64_t local = va.value();
  descent_.look_up(va.value(), [&](const Load& load) {
    if (load.address == step.address) local = load.local;
  });
  const bool line = step.bytes > kEntryBytes;
  const GuardedEntry e = tables_.at(step.address).get(step.part - 1);
  const std::string prefix = e.is(Kind::Invalid) ? "" : prefix_text(e, local);
  const bool copy = top_.has(step.address);  // which does not say what is counted
  WordText text{.what = step.address == root_.address ? "GPT root"
                        : copy                        ? "GPT top"
                                                      : "GPT entry",
                .fields = {}};
  switch (e.kind()) {
    case Kind::Invalid:
      text.fields = e.is_moved() ? "kind=moved: begin again at the root" : "kind=invalid";
      break;
    case Kind::Internal:
      if (e.is_line()) {
        text.fields = fmt::format("kind=internal {} line={:#x}", prefix, e.address().value());
        if (!copy) text.fields += fmt::format(" entries={}", e.valid());
      } else {
        text.fields = fmt::format("kind=internal {} slots=2^{} table={:#x}", prefix, e.width(),
                                  e.address().value());
        if (!copy) text.fields += fmt::format(" valid={} full={}", e.valid(), e.full());
      }
      break;
    case Kind::Array:
      text.fields = fmt::format("kind=array {} pages=2^{} words={:#x}", prefix,
                                tables_.pages_log2(e), e.address().value());
      if (!copy) text.fields += fmt::format(" handed out={}", e.valid());
      break;
    case Kind::Leaf: {
      const PageShift size(kKeyBits - e.length());
      text.fields = fmt::format("kind=leaf {} covers={} pte: {}", prefix, format_size(size.bytes()),
                                e.body == kNone ? "none" : format_->describe(e.body, size));
      break;
    }
    case Kind::Shared:
      text.fields =
          fmt::format("kind=shared {} root={:#x} rights={}{}", prefix, e.address().value(),
                      format_rights(e.mask()), e.mask().has(Rights::kUser) ? 'u' : '-');
      break;
  }
  if (line) text.fields += fmt::format(" (entry {} of a line)", step.part);
  return text;
}

}  // namespace mmusim::pt::gpt
