#include "cli/trace_choices.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <string_view>
#include <tuple>
#include <utility>

#include "base/error.h"
#include "cli/names.h"
#include "config/nearest.h"
#include "trace/reader.h"

namespace mmusim::cli {
namespace {

constexpr const char* kOption = "--trace";

bool has_32_bits(std::string_view isa) {
  return isa == "i386" || isa == "arm";
}

bool are_relatives(std::string_view a, std::string_view b) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 2> kRelatives = {
      {{"i386", "x86_64"}, {"ppc64", "ppc64le"}}};
  return std::any_of(kRelatives.begin(), kRelatives.end(), [&](const auto& pair) {
    return (a == pair.first && b == pair.second) || (a == pair.second && b == pair.first);
  });
}

trace::Header header_of(const std::string& path) {
  // Whether a torn one may be replayed is for its replay to say.
  return trace::Reader(path, trace::ReaderOptions{.accept_torn = true}).header();
}

std::vector<std::pair<std::string, std::string>> parsed(const Words& given, const Words& machines) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const std::string& text : given) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == text.size())
      throw UsageError(kOption, fmt::format("'{}' is no MACHINE=TRACE", text));
    std::string machine = text.substr(0, equals);
    if (std::find(machines.begin(), machines.end(), machine) == machines.end())
      throw UsageError(kOption, fmt::format("'{}' is none of the machines", machine),
                       config::suggestion(machine, machines));
    if (std::any_of(pairs.begin(), pairs.end(), [&](const auto& p) { return p.first == machine; }))
      throw UsageError(kOption, fmt::format("'{}' gets two traces", machine));
    std::string path = find_named("TRACE", text.substr(equals + 1), kOption);
    static_cast<void>(header_of(path));
    pairs.emplace_back(std::move(machine), std::move(path));
  }
  return pairs;
}

}  // namespace

TraceChoices::TraceChoices(const Words& traces, const Words& given, const Words& machines)
    : given_(parsed(given, machines)) {
  for (const std::string& path : traces) {
    trace::Header header = header_of(path);
    traces_.push_back({path, std::move(header.isa), header.page});
  }
  refuse_twins();
}

void TraceChoices::refuse_twins() const {
  for (size_t i = 0; i < traces_.size(); ++i)
    for (size_t j = 0; j < i; ++j)
      if (traces_[i].isa == traces_[j].isa)
        throw UsageError("",
                         fmt::format("{} and {} are both of {}", traces_[j].path, traces_[i].path,
                                     traces_[i].isa),
                         "name one of each ISA, and with --trace MACHINE=TRACE what else there is");
}

ChosenTrace TraceChoices::choose(const std::string& machine, const std::string& isa,
                                 PageShift page) const {
  for (const auto& [who, path] : given_)
    if (who == machine) return {path, "given"};
  if (traces_.empty())
    throw UsageError("", fmt::format("there is no trace for machine {}", machine),
                     fmt::format("give it one with {} {}=FILE", kOption, machine));
  if (traces_.size() == 1 && given_.empty()) return {traces_.front().path, "the only one"};
  const auto nearness = [&](const KnownTrace& trace) {
    const bool fits = trace.page <= page;  // larger pages than the machine's cannot be moved there
    return std::tuple(trace.isa == isa, are_relatives(trace.isa, isa), fits,
                      has_32_bits(trace.isa) == has_32_bits(isa), fits ? trace.page.log2() : 0);
  };
  const auto best = std::max_element(  // the first of equal ones
      traces_.begin(), traces_.end(),
      [&](const KnownTrace& a, const KnownTrace& b) { return nearness(a) < nearness(b); });
  return {best->path, best->isa == isa ? "its ISA" : "the nearest"};
}

Words TraceChoices::paths() const {
  Words paths;
  for (const KnownTrace& trace : traces_)
    paths.push_back(trace.path);
  for (const auto& [machine, path] : given_)
    if (std::find(paths.begin(), paths.end(), path) == paths.end()) paths.push_back(path);
  return paths;
}

}  // namespace mmusim::cli
