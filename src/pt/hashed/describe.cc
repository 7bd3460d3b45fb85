// What the words of a hashed or clustered table say.
#include <fmt/format.h>

#include "base/units.h"
#include "pt/hashed/hashed.h"

namespace mmusim::pt::hashed {
namespace {

std::string node_text(uint64_t word) {
  return word == 0 ? "none" : fmt::format("node at {:#x}", word);
}

}  // namespace

WordText Hashed::describe(const WalkStep& step, VirtAddr va) const {
  const uint64_t word = *frames_->words(step.address);
  const unsigned looked_for = class_in(step.part);
  switch (part_in(step.part)) {
    case Part::Bucket:
      return {
          .what = "bucket",
          .fields = fmt::format("number={:#x} of 2^{}, for leaves of {}: {}",
                                (step.address - store_->address()) / kWord, store_->log2(),
                                format_size(rules_->sizes[looked_for].bytes()), node_text(word))};
    case Part::Tag: {
      const Tag tag{word, 0};
      return {
          .what = "node tag",
          .fields = fmt::format(
              "first={:#x} class={} ({} x {}): {}", tag.base(), tag.size_class(),
              rules_->slots(tag.size_class()), format_size(rules_->sizes[tag.size_class()].bytes()),
              word == tag_of(va.value(), looked_for).word ? "the one looked for" : "another")};
    }
    case Part::Space:
      return {.what = "node space",
              .fields = fmt::format("space={}: {}", word,
                                    word == mm_.value() ? "the one looked for" : "another")};
    case Part::Next:
      return {.what = "node next", .fields = node_text(word)};
    case Part::Entry:
      break;
  }
  return {.what = "PTE",
          .fields = word == kNone ? "none" : format_->describe(word, rules_->sizes[looked_for])};
}

}  // namespace mmusim::pt::hashed
