#include "report/read_results.h"

#include <fmt/format.h>

#include "base/error.h"
#include "report/rates.h"
#include "stats/json.h"
#include "stats/results.h"

namespace mmusim::report {
namespace {

using stats::Json;

// What the page asks of a provenance is there, and of its kind.
void check_provenance(const Json& provenance) {
  const Json& trace = provenance.at("trace");
  static_cast<void>(trace.at("torn").get<bool>());
  static_cast<void>(trace.at("stopped").get<bool>());
}

ReadRun run_of(const Json& document, const std::string& name, const std::string& file) {
  ReadRun run;
  run.name = name;
  run.file = file;
  run.provenance = document.at("provenance");
  check_provenance(run.provenance);
  for (const auto& [key, value] : run.provenance.at("config").items())
    run.config.emplace_back(key, stats::value_text(value));
  run.provenance.erase("config");
  stats::read_counters(document, run.report);
  const Work work = work_of(run.report);
  run.work_unit = work.unit;
  run.work = work.amount;
  return run;
}

void read_comparison(const Json& document, const std::string& file, ReadResults& results) {
  for (const Json& entry : document.at("runs")) {
    ReadRun run = run_of(entry.at("result"), entry.at("name").get<std::string>(), file);
    if (document.contains("traces")) run.work = document.at("per").at("amount").get<uint64_t>();
    results.runs.push_back(std::move(run));
  }
  if (document.contains("failed"))
    for (const Json& entry : document.at("failed"))
      results.failed.push_back(
          {entry.at("name").get<std::string>(), entry.at("why").get<std::string>()});
}

void read_document(Json document, const std::string& file, ReadResults& results) {
  const auto schema = document.at("schema").get<unsigned>();
  if (schema != stats::kResultsSchema)
    throw Error(
        "", fmt::format("has schema {}, and this program reads {}", schema, stats::kResultsSchema));
  static_cast<void>(document.value("document", ""));
  if (document.contains("provenance")) check_provenance(document.at("provenance"));
  if (document.contains("runs")) {
    read_comparison(document, file, results);
  } else if (document.contains("counters")) {
    results.runs.push_back(run_of(document, "", file));
  } else if (document.contains("footprints")) {
    results.footprints.push_back({file, std::move(document)});
  } else if (document.contains("tables")) {
    results.documents.push_back({file, std::move(document)});
  } else {
    throw Error("", "has no counters, runs, footprints or tables");
  }
}

}  // namespace

std::string ReadRun::value(const std::string& key) const {
  for (const auto& [known, text] : config)
    if (known == key) return text;
  return "";
}

void read_results(const std::string& text, const std::string& file, ReadResults& results) {
  constexpr const char* kWhatToDo = "it takes what --json of mmusim's commands writes";
  try {
    read_document(stats::parse_json(text), file, results);
  } catch (const Json::parse_error& error) {
    throw Error(file, fmt::format("is no JSON (byte {} of {})", error.byte, text.size()),
                kWhatToDo);
  } catch (const Json::exception&) {
    throw Error(file, "is no result of mmusim", kWhatToDo);
  } catch (const Error& error) {
    throw Error(file, error.what(), kWhatToDo);
  }
}

}  // namespace mmusim::report
