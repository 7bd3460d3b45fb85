#include "sim/simulation.h"

#include <algorithm>
#include <fmt/format.h>
#include <set>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "config/keys.h"
#include "kernel/kernel.h"
#include "mem/frames.h"
#include "mem/sink.h"
#include "pt/page_table.h"
#include "pt/plugin.h"
#include "sim/fan_out.h"
#include "sim/machine.h"
#include "sim/machine_options.h"
#include "sim/relocation/trace_source.h"
#include "sim/run_options.h"

namespace mmusim::sim {
namespace {

std::vector<std::string> names_of(void (*declare)(config::Schema&)) {
  config::Schema schema;
  declare(schema);
  std::vector<std::string> names;
  for (const config::Key& key : schema.keys())
    names.push_back(key.name);
  return names;
}

// A page table under two paths has its keys once; two of the same name cannot both have theirs.
void declare_plugins(config::Schema& schema, const std::vector<std::string>& plugins) {
  std::vector<const pt::Backend*> declared;
  for (const std::string& path : plugins) {
    const pt::Backend& backend = pt::load_plugin(path);
    if (std::find(declared.begin(), declared.end(), &backend) != declared.end()) continue;
    for (const pt::Backend* other : declared)
      if (std::string_view(other->name) == backend.name)
        throw UsageError(path,
                         fmt::format("another plug-in has a page table '{}' too", other->name),
                         "rename one of them");
    backend.declare(schema);
    declared.push_back(&backend);
  }
}

}  // namespace

void declare(config::Schema& schema, const std::vector<std::string>& plugins) {
  RunOptions::keys().declare(schema);
  MachineOptions::keys().declare(schema);
  mem::FrameMemory::declare(schema);
  mem::ReferenceSink::declare(schema);
  for (const pt::Backend& b : pt::backends())
    b.declare(schema);
  declare_plugins(schema, plugins);
  kernel::Kernel::declare(schema);
  for (const Architecture& a : all_architectures()) {
    const std::vector<std::string> own = names_of(a.declare);
    if (own.empty() || schema.find(own.front()) == nullptr)
      a.declare(schema);  // two may share theirs
  }
}

std::vector<const config::Key*> keys_read(const config::Config& config) {
  std::set<std::string> others;
  for (const Architecture& a : all_architectures())
    for (const std::string& name : names_of(a.declare))
      others.insert(name);
  for (const pt::Backend& b : pt::backends())
    for (const std::string& name : names_of(b.declare))
      others.insert(name);
  for (const auto declare : {architecture_of(config).declare, page_table_backend(config).declare})
    for (const std::string& name : names_of(declare))
      others.erase(name);
  std::vector<const config::Key*> read;
  for (const config::Key& key : config.schema().keys())
    if (others.count(key.name) == 0) read.push_back(&key);
  return read;
}

ReplayResult replay(const config::Config& config, const ReplayOptions& options) {
  TraceSource::require_named(config);
  const config::Config* const only = &config;
  ReplayOutcome outcome = std::move(replay_together({&only, 1}, options).front());
  if (outcome.failure != nullptr) std::rethrow_exception(outcome.failure);
  return std::move(*outcome.result);
}

stats::Report catalog(const config::Config& config) {
  return architecture_of(config).catalog(config);
}

}  // namespace mmusim::sim
