#include "trace/page_choice.h"

#include <algorithm>
#include <array>

namespace mmusim::trace {

PageChoice page_choice_of(std::string_view isa) {
  constexpr std::array<std::string_view, 5> kNeedAny = {"alpha", "i386", "ia64", "ppc64",
                                                        "sparc64"};
  if (isa == "x86_64") return PageChoice::Sets;
  return std::find(kNeedAny.begin(), kNeedAny.end(), isa) != kNeedAny.end() ? PageChoice::Any
                                                                            : PageChoice::None;
}

}  // namespace mmusim::trace
