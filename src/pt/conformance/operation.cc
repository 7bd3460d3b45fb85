#include "pt/conformance/operation.h"

#include <rapidcheck/Seq.h>
#include <rapidcheck/seq/Operations.h>
#include <rapidcheck/seq/Transform.h>
#include <rapidcheck/shrink/Shrink.h>

namespace mmusim::pt::conformance {
namespace {

Spot draw_spot(Random& random, unsigned anchors, unsigned near) {
  Spot spot;
  spot.anchor = static_cast<uint8_t>(random.below(anchors));
  const unsigned bits = static_cast<unsigned>(random.below(near));
  const auto distance = static_cast<int32_t>(random.below(uint64_t{1} << bits));
  spot.page = random.below(2) == 0 ? -distance : distance;
  return spot;
}

Action draw_action(Random& random) {
  const uint64_t what = random.below(100);
  if (what < 44) return Action::Map;
  if (what < 47) return Action::Share;
  if (what < 58) return Action::Clear;
  if (what < 66) return Action::Sweep;
  if (what < 68) return Action::Build;
  if (what < 73) return Action::Split;
  if (what < 75) return Action::Promote;
  if (what < 79) return Action::Copy;
  if (what < 92) return Action::Trim;
  return Action::Move;
}

// One field made smaller at a time. Which action it is stays.
rc::Seq<Operation> simpler(const Operation& operation) {
  const auto with = [operation](auto field) {
    return [operation, field](auto value) {
      Operation next = operation;
      next.*field = value;
      return next;
    };
  };
  const auto with_spot = [operation](Spot Operation::*spot) {
    return [operation, spot](int32_t page) {
      Operation next = operation;
      (next.*spot).page = page;
      return next;
    };
  };
  const auto with_anchor = [operation](Spot Operation::*spot) {
    return [operation, spot](uint8_t anchor) {
      Operation next = operation;
      (next.*spot).anchor = anchor;
      return next;
    };
  };
  using rc::shrink::towards;
  return rc::seq::concat(
      rc::seq::map(towards<uint8_t>(operation.fails, 0), with(&Operation::fails)),
      rc::seq::map(towards<uint8_t>(operation.size, 0), with(&Operation::size)),
      rc::seq::map(towards<uint32_t>(operation.pages, 1), with(&Operation::pages)),
      rc::seq::map(towards<uint8_t>(operation.at.anchor, 0), with_anchor(&Operation::at)),
      rc::seq::map(towards<uint8_t>(operation.to.anchor, 0), with_anchor(&Operation::to)),
      rc::seq::map(towards<int32_t>(operation.at.page, 0), with_spot(&Operation::at)),
      rc::seq::map(towards<int32_t>(operation.to.page, 0), with_spot(&Operation::to)),
      rc::seq::map(towards<uint32_t>(operation.salt, 0), with(&Operation::salt)));
}

}  // namespace

Sequence draw(uint64_t seed, size_t length, bool failing, unsigned anchors, unsigned near) {
  Random random(seed);
  Sequence sequence;
  sequence.reserve(length);
  for (size_t i = 0; i < length; ++i) {
    Operation o;
    o.action = draw_action(random);
    o.at = draw_spot(random, anchors, near);
    if (o.action == Action::Move || o.action == Action::Share)
      o.to = draw_spot(random, anchors, near);
    o.pages = static_cast<uint32_t>(1 + random.below(uint64_t{1} << random.below(near)));
    if (random.below(3) == 0) o.size = static_cast<uint8_t>(random.below(8));
    if (failing && random.below(8) != 0) o.fails = static_cast<uint8_t>(1 + random.below(4));
    o.salt = static_cast<uint32_t>(random.next());
    sequence.push_back(o);
  }
  return sequence;
}

bool visit_simpler(const Sequence& sequence, const std::function<bool(const Sequence&)>& take) {
  auto candidates = rc::seq::concat(rc::shrink::removeChunks(sequence),
                                    rc::shrink::eachElement(sequence, simpler));
  while (true) {
    const auto candidate = candidates.next();
    if (!candidate) return false;
    if (!candidate->empty() && take(*candidate)) return true;
  }
}

}  // namespace mmusim::pt::conformance
