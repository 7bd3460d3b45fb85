#include "sweep/read_folder.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <map>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/input_file.h"

namespace mmusim::sweep {
namespace {

namespace fs = std::filesystem;

using Fields = std::vector<std::string>;

// Lines of fields, as RFC 4180 has them.
std::vector<Fields> lines_of_csv(const std::string& text) {
  std::vector<Fields> lines;
  Fields line{""};
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted && c == '"' && i + 1 < text.size() && text[i + 1] == '"') {
      line.back() += '"';
      ++i;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (quoted || (c != ',' && c != '\n' && c != '\r')) {
      line.back() += c;
    } else if (c == ',') {
      line.emplace_back();
    } else if (c == '\n') {
      lines.push_back(std::exchange(line, Fields{""}));
    }
  }
  return lines;
}

// One line of results.csv by the names of columns.
class Entry {
 public:
  Entry(const Fields& names, const Fields& fields) : names_(names), fields_(fields) {}

  [[nodiscard]] const std::string& at(const std::string& name) const {
    const auto found = std::find(names_.begin(), names_.end(), name);
    if (found == names_.end()) throw Error("", fmt::format("has no column '{}'", name));
    return fields_[static_cast<size_t>(found - names_.begin())];
  }
  // Machine, page table and what varies: the columns up to the status.
  [[nodiscard]] std::string label() const {
    std::string label = fmt::format("{}: {}/{}", at("run"), at("machine"), at("page_table"));
    const auto begin = std::find(names_.begin(), names_.end(), "page_table") + 1;
    for (auto name = begin; name != names_.end() && *name != "status"; ++name)
      label += fmt::format(" {}={}", *name, at(*name));
    return label;
  }

 private:
  const Fields& names_;
  const Fields& fields_;
};

// Files of results, by their paths in the folder.
std::set<std::string> results_in(const std::string& folder) {
  std::set<std::string> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder + "/runs", error))
    if (entry.path().extension() == ".json")
      files.insert("runs/" + entry.path().filename().string());
  return files;
}

// The results that the table has.
std::set<std::string> read_listed(const std::string& folder, const std::string& table,
                                  report::ReadResults& results) {
  const std::vector<Fields> lines = lines_of_csv(read_file(table));
  std::set<std::string> seen;
  try {
    if (lines.empty()) throw Error("", "is empty");
    for (size_t i = 1; i < lines.size(); ++i) {
      if (lines[i].size() != lines[0].size())
        throw Error("", fmt::format("line {} has {} fields, not {}", i + 1, lines[i].size(),
                                    lines[0].size()));
      const Entry entry(lines[0], lines[i]);
      if (entry.at("status") == "done") {
        if (!seen.insert(entry.at("result")).second) continue;
        const std::string file = folder + "/" + entry.at("result");
        report::read_results(read_file(file), file, results);
      } else {
        results.failed.push_back(
            {entry.label(), entry.at("error").empty() ? entry.at("status") : entry.at("error")});
      }
    }
  } catch (const Error& error) {
    throw Error(table, error.what(), "the same sweep writes it again");
  }
  return seen;
}

}  // namespace

bool is_sweep(const std::string& folder) {
  std::error_code error;
  return fs::exists(folder + "/store.json", error);
}

report::ReadResults read_folder(const std::string& folder,
                                const std::function<void(const std::string&)>& warn) {
  report::ReadResults results;
  const std::string table = folder + "/results.csv";
  std::error_code error;
  std::set<std::string> files = results_in(folder);
  if (fs::exists(table, error)) {
    for (const std::string& listed : read_listed(folder, table, results))
      files.erase(listed);
    if (!files.empty())
      warn(
          fmt::format("{}: of the results there, {} are not in results.csv: they are of other "
                      "points, or of a sweep that has not ended",
                      folder, files.size()));
    return results;
  }
  for (const std::string& name : files) {
    const std::string file = fmt::format("{}/{}", folder, name);
    report::read_results(read_file(file), file, results);
  }
  warn(fmt::format("{} has no results.csv, as its sweep has not ended: {} results are there",
                   folder, results.runs.size()));
  return results;
}

}  // namespace mmusim::sweep
