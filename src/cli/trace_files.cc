#include "cli/trace_files.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace mmusim::cli {
namespace {

constexpr std::array<std::pair<std::string_view, trace::PageChoice>, 3> kChoices = {{
    {"none", trace::PageChoice::None},
    {"sets", trace::PageChoice::Sets},
    {"any", trace::PageChoice::Any},
}};

}  // namespace

void declare_pages(Arguments& arguments, const char* otherwise) {
  const std::string help = fmt::format(
      "Page streams, by which machines replay a trace of their own instruction set in a fraction "
      "of the time: for first-level TLBs with 16 sets or more (sets), for all (any), or none; if "
      "not given, {}. They take at most {} % of the rest of the file; 'trace prepare' adds them "
      "later.",
      otherwise, trace::kPagePercent);
  arguments.options()("pages", text_option("sets|any|none"), help.c_str());
  Words choices;
  for (const auto& [name, choice] : kChoices)
    choices.emplace_back(name);
  arguments.offer("pages", choices);
}

void choose_pages(const Arguments& arguments, trace::WriterOptions& writer) {
  if (!arguments.has("pages")) return;
  const std::string& text = arguments.text("pages");
  const auto choice = std::find_if(kChoices.begin(), kChoices.end(),
                                   [&](const auto& one) { return one.first == text; });
  if (choice == kChoices.end())
    throw UsageError("--pages", fmt::format("'{}' is neither sets nor any nor none", text));
  writer.pages = choice->second;
}

}  // namespace mmusim::cli
