// The folder of a sweep: what it has found, a file for each run, so that a sweep that was
// interrupted, or is made larger, does only what is missing.
//
//     DIR/store.json        what wrote it: the schema of the store and the program's version
//     DIR/lock              held while a sweep is at work in it
//     DIR/runs/ID.json      a run's result, as `replay --json` writes it; ID says what was run
//     DIR/results.csv, .db  the table of the last sweep
//
// Files appear whole or not at all, so the end of a process at any time leaves a store that can be
// gone on with. Not thread-safe.
#ifndef MMUSIM_SWEEP_STORE_H_
#define MMUSIM_SWEEP_STORE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "config/schema.h"
#include "stats/report.h"
#include "stats/results.h"

namespace mmusim::sweep {

// A program's build, as one text: "0.1.0, commit ..., Release, GCC 12.2.0".
std::string program_of(const stats::Provenance& provenance);

// Says what is run: equal for the same program, trace, page-table plug-ins and configuration, and
// for no others.
class RunIds {
 public:
  // 32 hexadecimal digits. `provenance` is what is known of the run before it runs; `trace`: the
  // file that run.trace means. Errors: those of reading the trace.
  std::string id_of(const config::Config& config, const stats::Provenance& provenance,
                    const std::string& trace);

 private:
  std::map<std::string, std::string> hashes_;  // of traces, by path
};

class Store {
 public:
  // Who else may be at work in it: nobody, or others that share the sweep.
  enum class Access : uint8_t { Alone, Shared };
  // Opens or makes it. Errors: Error for a folder that is another program's, another version's or
  // no sweep's, in use, or that cannot be made; then nothing was changed.
  Store(std::string folder, const std::string& program, Access access = Access::Alone);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // Whether the constructor would go on with what is there, if anything is; another sweep may be at
  // work in it. Errors: as the constructor.
  static void check(const std::string& folder, const std::string& program);

  // The counters of a run whose result is there. One that cannot be read is set aside under another
  // name, told to `warn`, and counts as missing.
  using Warn = std::function<void(const std::string&)>;
  bool find(const std::string& id, stats::Report& report, const Warn& warn);
  // Several threads may keep different ones at once. Errors: as OutputFile.
  void keep(const std::string& id, const std::string& result) const;

  [[nodiscard]] std::string path_of(const std::string& name) const { return folder_ + "/" + name; }
  // Whether a file at `path` would be in the place of what a sweep has in that folder, or among its
  // runs.
  static bool keeps(const std::string& folder, const std::string& path);
  // Relative to the folder.
  static std::string name_of(const std::string& id) { return "runs/" + id + ".json"; }

 private:
  void lock(Access access);

  std::string folder_;
  int lock_ = -1;
};

// Whether the folder holds a result of that run: without opening it as a store.
bool has_result(const std::string& folder, const std::string& id);

}  // namespace mmusim::sweep

#endif  // MMUSIM_SWEEP_STORE_H_
