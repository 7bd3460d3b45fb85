#include "cli/formats.h"

#include "base/units.h"
#include "cli/log.h"
#include "report/wrap.h"

namespace mmusim::cli {

std::string help_of_format(std::string_view name, std::string_view summary, std::string_view text,
                           const config::Schema& schema) {
  std::string help =
      report::wrapped(fmt::format("{}: {}\n\n{}", name, summary, text), report::kLineWidth) + "\n";
  if (!schema.keys().empty()) help += "\nOptions, with their defaults:\n";
  constexpr size_t kKeyIndent = 6;
  for (const config::Key& key : schema.keys())
    help += report::beside(fmt::format("  --{} ({}):", key.name,
                                       key.default_value.empty() ? "not set" : key.default_value),
                           key.help, kKeyIndent) +
            "\n";
  return help;
}

void refuse_foreign_keys(const config::Config& keys, std::string_view format,
                         std::string_view command) {
  for (const config::Key& key : keys.schema().keys()) {
    if (key.name.starts_with(fmt::format("{}.", format))) continue;
    if (keys.origin(key.name) == "default") continue;
    throw UsageError(keys.place_of(key.name), fmt::format("is not a key of format {}", format),
                     fmt::format("see 'mmusim trace {} --help-format {}'", command, format));
  }
}

void show_remarks(const std::vector<std::string>& warnings,
                  const std::vector<trace::Remark>& remarks) {
  for (const std::string& warning : warnings)
    warn(warning);
  for (const trace::Remark& remark : remarks)
    if (remark.count != 0) note(fmt::format("{}: {}", remark.text, format_count(remark.count)));
}

}  // namespace mmusim::cli
