#include "cli/refusals.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/units.h"
#include "cli/log.h"

namespace mmusim::cli {
namespace {

constexpr const char* kNoPlace = "kernel.refused.no_place";
constexpr const char* kNoHugePage = "kernel.refused.no_huge_page";

uint64_t value_of(const stats::Report& report, const char* name) {
  const stats::Counter* const counter = report.find(name);
  return counter == nullptr ? 0 : counter->value;
}

std::string refused(uint64_t count) {
  return format_counted(count, "reference was", "references were") + " refused";
}

}  // namespace

std::vector<std::string> Refusals::counters() {
  return {kNoPlace, kNoHugePage};
}

void Refusals::look(const std::string& name, const stats::Report& report) {
  const uint64_t no_place = value_of(report, kNoPlace);
  const uint64_t no_page = of_ == Of::Script ? 0 : value_of(report, kNoHugePage);
  if (no_place != 0)
    warn(
        fmt::format("{}: {} that the program has a right to: its page "
                    "table has no place for their addresses",
                    name, refused(no_place)));
  if (no_page != 0)
    warn(
        fmt::format("{}: {} because the pool of huge pages was empty; "
                    "kernel.hugetlb_pages makes it larger",
                    name, refused(no_page)));
  if (first_.empty() && no_place + no_page != 0) first_ = name;
  count_ += no_place + no_page;
}

void Refusals::answer(bool checked) const {
  if (checked && count_ != 0)
    throw Error(first_, refused(count_) + " that the program has a right to");
}

}  // namespace mmusim::cli
