// One operation of a random run: plain data, so that a sequence of them can be repeated, shortened
// and printed.
//
// Any values are legal: the model brings addresses and sizes into the range of the machine at hand,
// so that shortening may change them freely. Smaller numbers mean simpler operations.
#ifndef MMUSIM_PT_CONFORMANCE_OPERATION_H_
#define MMUSIM_PT_CONFORMANCE_OPERATION_H_

#include <cstdint>
#include <string>
#include <vector>

#include "base/random.h"

namespace mmusim::pt::conformance {

enum class Action : uint8_t {
  Map,      // ensure + install a leaf of size `size` at `at`
  Clear,    // what is at `at`
  Sweep,    // a cursor over [at, at + pages), changing entries as `salt` says
  Build,    // a Build cursor over it
  Split,    // the leaf at `at` into `size`
  Promote,  // the block of `size` around `at`
  Copy,     // [at, at + pages) into a fresh table, which is then checked and dropped
  Trim,     // [at, at + pages)
  Move,     // [at, at + pages) to `to`
  Share,    // a block at `at` with a fresh table that has it at `to`, which is then dropped
};
inline constexpr unsigned kActions = 10;

// A place: `anchor` chooses one of the addresses where tables begin and end, `page` is the distance
// from it, in pages.
struct Spot {
  uint8_t anchor = 0;
  int32_t page = 0;
  bool operator==(const Spot&) const = default;
};

struct Operation {
  Action action = Action::Map;
  Spot at;
  Spot to;
  uint32_t pages = 1;
  uint8_t size = 0;   // which of the backend's leaf sizes, 0 the base page
  uint8_t fails = 0;  // the allocation from here on that fails; 0: none
  uint32_t salt = 0;  // decides all that is left to chance
  bool operator==(const Operation&) const = default;
};
using Sequence = std::vector<Operation>;

// `length` operations drawn from the seed; `failing`: memory may fail in them. `anchors`: how many
// there are; `near`: pages from an anchor that are worth it.
Sequence draw(uint64_t seed, size_t length, bool failing, unsigned anchors, unsigned near);

// Shorter and simpler until `fails` no longer holds for any one that is simpler still (rapidcheck's
// shrinking), or `most` candidates were tried. REQUIRES: fails(sequence).
template <class Fails>
Sequence shortest(Sequence sequence, size_t most, Fails fails);

}  // namespace mmusim::pt::conformance

#include "pt/conformance/shorten_inl.h"

#endif  // MMUSIM_PT_CONFORMANCE_OPERATION_H_
