#include "stats/results.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace mmusim::stats {
namespace results_test {

config::Schema example_schema() {
  config::Schema schema;
  schema.number("tlb.l2.entries", 1536, "Entries.");
  schema.number("tlb.l2.seed", 7, "Seed.");
  schema.size("mem.bytes", 65536, "Memory.");
  schema.flag("run.check", true, "Check.");
  schema.choice("machine.arch", "x86", {"x86"}, "Architecture.");
  schema.text("run.trace", "a.mmt", "Trace.");
  return schema;
}

Report example_report() {
  Report report;
  report.add("tlb.l2.lookups", 8, "accesses", "Look-ups.");
  report.add("tlb.l2.misses", 3, "accesses", "Not found, \"quoted\".", "tlb.l2.lookups");
  report.add("walker.walks", 0, "walks", "Walks.");
  report.add("walker.loads", 0, "references", "Loads.", "walker.walks");
  report.add("stray", 1, "events", "Its denominator is not there.", "nowhere");
  return report;
}

TEST(Results, RatiosDivideByTheirDenominator) {
  const std::vector<Ratio> all = ratios(example_report());
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].numerator, "tlb.l2.misses");
  EXPECT_EQ(all[0].denominator, "tlb.l2.lookups");
  EXPECT_EQ(all[0].value, 0.375);
  EXPECT_EQ(all[1].value, 0);  // nothing divided by nothing
}

TEST(Results, DocumentHoldsEverything) {
  const config::Schema schema = example_schema();
  const config::Config config(schema);
  Provenance provenance;
  provenance.version = "1.2.3";
  provenance.trace = "a.mmt";
  provenance.trace_hash = "00ff";
  provenance.stopped = true;
  const std::string text = results_json(provenance, config, example_report());
  const auto document = nlohmann::json::parse(text);
  EXPECT_EQ(document["schema"], 1);
  EXPECT_EQ(document["provenance"]["version"], "1.2.3");
  EXPECT_EQ(document["provenance"]["trace"]["hash"], "00ff");
  EXPECT_EQ(document["provenance"]["trace"]["stopped"], true);
  EXPECT_EQ(document["provenance"]["trace"]["torn"], false);
  EXPECT_EQ(document["provenance"]["seeds"].dump(), R"({"tlb.l2.seed":7})");
  EXPECT_EQ(document["provenance"]["config"]["tlb.l2.entries"], 1536);
  EXPECT_EQ(document["provenance"]["config"]["mem.bytes"], 65536);
  EXPECT_EQ(document["provenance"]["config"]["run.check"], true);
  EXPECT_EQ(document["provenance"]["config"].size(), schema.keys().size());
  ASSERT_EQ(document["counters"].size(), 5u);
  EXPECT_EQ(document["counters"][1]["name"], "tlb.l2.misses");
  EXPECT_EQ(document["counters"][1]["value"], 3);
  EXPECT_EQ(document["counters"][1]["denominator"], "tlb.l2.lookups");
  EXPECT_EQ(document["ratios"][0]["value"], 0.375);
  EXPECT_EQ(text.back(), '\n');
}

TEST(Results, NamePlugIns) {
  const config::Schema schema = example_schema();
  Provenance provenance;
  EXPECT_EQ(nlohmann::json::parse(
                results_json(provenance, config::Config(schema), {}))["provenance"]["plugins"]
                .size(),
            0u);
  provenance.plugins.push_back({.path = "./mine.so", .name = "mine", .hash = "12ab"});
  const auto document = nlohmann::json::parse(results_json(provenance, config::Config(schema), {}));
  EXPECT_EQ(document["provenance"]["plugins"][0]["path"], "./mine.so");
  EXPECT_EQ(document["provenance"]["plugins"][0]["name"], "mine");
  EXPECT_EQ(document["provenance"]["plugins"][0]["hash"], "12ab");
}

TEST(Results, ValuesAreExactTo64Bits) {
  Report report;
  report.add("most", ~uint64_t{0}, "events", "");
  const config::Schema schema;
  const std::string text = results_json({}, config::Config(schema), report);
  EXPECT_NE(text.find("18446744073709551615"), std::string::npos);
}

TEST(Results, BytesThatAreNoTextStillGiveValidJson) {
  const config::Schema schema = example_schema();
  Provenance provenance;
  provenance.trace_program = "caf\xe9 \x01 \"x\"";
  const std::string text = results_json(provenance, config::Config(schema), example_report());
  const auto document = nlohmann::json::parse(text);
  EXPECT_EQ(document["provenance"]["trace"]["program"], "caf\xef\xbf\xbd \x01 \"x\"");
}

TEST(Results, SameInputSameBytes) {
  const config::Schema schema = example_schema();
  const config::Config config(schema);
  EXPECT_EQ(results_json({}, config, example_report()), results_json({}, config, example_report()));
}

TEST(Results, CommaSeparatedValuesQuoteWhatNeedsIt) {
  EXPECT_EQ(counters_csv(example_report()),
            "name,value,unit,denominator,meaning\n"
            "tlb.l2.lookups,8,accesses,,Look-ups.\n"
            "tlb.l2.misses,3,accesses,tlb.l2.lookups,\"Not found, \"\"quoted\"\".\"\n"
            "walker.walks,0,walks,,Walks.\n"
            "walker.loads,0,references,walker.walks,Loads.\n"
            "stray,1,events,nowhere,Its denominator is not there.\n");
}

}  // namespace results_test
}  // namespace mmusim::stats
