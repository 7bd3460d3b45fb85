#include "stats/results.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace mmusim::stats {
namespace {

Json json_of(const config::Config& config) {
  Json values = Json::object();
  for (const config::Key& key : config.schema().keys()) {
    Json& value = values[key.name];
    switch (key.type) {
      case config::Type::Number:
        if (const auto number = config.number_if(key.name))
          value = *number;
        else
          value = key.word;
        break;
      case config::Type::Count:
        value = config.count(key.name);
        break;
      case config::Type::Size:
        value = config.size(key.name);
        break;
      case config::Type::Flag:
        value = config.flag(key.name);
        break;
      case config::Type::Choice:
        value = config.choice(key.name);
        break;
      case config::Type::Text:
        value = config.text(key.name);
        break;
    }
  }
  return values;
}

Json json_of(const Intervals& intervals) {
  Json series = Json::object();
  for (const Intervals::Series& one : intervals.series)
    series[one.name] = one.values;
  return {{"every", intervals.every},
          {"instructions", intervals.instructions},
          {"counters", std::move(series)}};
}

Intervals read_intervals(const Json& json) {
  Intervals intervals{.every = json.at("every").get<uint64_t>(),
                      .instructions = json.at("instructions").get<std::vector<uint64_t>>()};
  for (const auto& [name, values] : json.at("counters").items()) {
    intervals.series.push_back({name, values.get<std::vector<uint64_t>>()});
    if (intervals.series.back().values.size() != intervals.instructions.size())
      throw Error("", fmt::format("{} has not as many values as there are intervals", name));
  }
  return intervals;
}

// Every random choice of a run starts from a key called "....seed".
Json seeds_of(const config::Config& config) {
  Json seeds = Json::object();
  for (const config::Key& key : config.schema().keys()) {
    if (key.type == config::Type::Number && key.name.ends_with(".seed")) {
      seeds[key.name] = config.number(key.name);
    }
  }
  return seeds;
}

}  // namespace

std::vector<Ratio> ratios(const Report& report) {
  std::vector<Ratio> result;
  for (const Counter& counter : report.counters()) {
    const Counter* base = counter.denominator.empty() ? nullptr : report.find(counter.denominator);
    if (base == nullptr) continue;
    const double value =
        base->value == 0 ? 0
                         : static_cast<double>(counter.value) / static_cast<double>(base->value);
    result.push_back({counter.name, base->name, value});
  }
  return result;
}

Json document_head(const Provenance& provenance, const config::Config& config) {
  Json document;
  document["schema"] = kResultsSchema;
  document["provenance"] = {
      {"program", "mmusim"},
      {"version", provenance.version},
      {"commit", provenance.commit},
      {"build", provenance.build_type},
      {"compiler", provenance.compiler},
      {"trace",
       {{"path", provenance.trace},
        {"hash", provenance.trace_hash},
        {"isa", provenance.trace_isa},
        {"program", provenance.trace_program},
        {"recorder", provenance.trace_recorder},
        {"torn", provenance.torn},
        {"stopped", provenance.stopped},
        {"chunks",
         {{"whole", provenance.chunks_whole},
          {"pages", provenance.chunks_pages},
          {"sets", provenance.chunks_sets},
          {"fallbacks", provenance.page_fallbacks},
          {"lacking", provenance.chunks_lacking}}}}},
  };
  Json& plugins = document["provenance"]["plugins"] = Json::array();
  for (const Provenance::Plugin& plugin : provenance.plugins)
    plugins.push_back({{"path", plugin.path}, {"name", plugin.name}, {"hash", plugin.hash}});
  document["provenance"]["seeds"] = seeds_of(config);
  document["provenance"]["config"] = json_of(config);
  return document;
}

Json results_document(const Provenance& provenance, const config::Config& config,
                      const Report& report) {
  Json document = document_head(provenance, config);
  Json& counters = document["counters"] = Json::array();
  // Member by member: nlohmann makes an array of each pair in braces, and then copies it.
  for (const Counter& counter : report.counters()) {
    Json& one = counters.emplace_back(Json::object());
    one["name"] = counter.name;
    one["value"] = counter.value;
    one["unit"] = counter.unit;
    one["meaning"] = counter.meaning;
    one["denominator"] = counter.denominator;
    one["kind"] = name_of(counter.kind);
  }
  Json& derived = document["ratios"] = Json::array();
  for (const Ratio& ratio : ratios(report)) {
    Json& one = derived.emplace_back(Json::object());
    one["numerator"] = ratio.numerator;
    one["denominator"] = ratio.denominator;
    one["value"] = ratio.value;
  }
  if (const auto& intervals = report.intervals()) document["intervals"] = json_of(*intervals);
  return document;
}

std::string results_json(const Provenance& provenance, const config::Config& config,
                         const Report& report) {
  return document_text(results_document(provenance, config, report));
}

void read_counters(const Json& document, Report& report) {
  if (document.at("schema").get<unsigned>() != kResultsSchema)
    throw Error("", "it has another schema");
  for (const Json& counter : document.at("counters")) {
    const auto name = counter.at("name").get<std::string>();
    if (report.find(name) != nullptr) throw Error("", fmt::format("it has {} twice", name));
    report.put({name, counter.at("value").get<uint64_t>(), counter.at("unit"),
                counter.at("meaning"), counter.at("denominator"),
                counter.value("kind", "sum") == "state" ? CounterKind::State : CounterKind::Sum});
  }
  if (document.contains("intervals"))
    report.set_intervals(read_intervals(document.at("intervals")));
}

std::string csv_field(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

std::string counters_csv(const Report& report) {
  std::string text = "name,value,unit,denominator,meaning\n";
  for (const Counter& counter : report.counters()) {
    text += fmt::format("{},{},{},{},{}\n", csv_field(counter.name), counter.value,
                        csv_field(counter.unit), csv_field(counter.denominator),
                        csv_field(counter.meaning));
  }
  return text;
}

std::string intervals_csv(const Intervals& intervals) {
  std::string text = "instructions";
  for (const Intervals::Series& one : intervals.series)
    text += "," + csv_field(one.name);
  text += "\n";
  for (size_t i = 0; i < intervals.instructions.size(); ++i) {
    text += fmt::format("{}", intervals.instructions[i]);
    for (const Intervals::Series& one : intervals.series)
      text += fmt::format(",{}", one.values[i]);
    text += "\n";
  }
  return text;
}

}  // namespace mmusim::stats
