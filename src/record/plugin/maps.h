// /proc/self/maps, read without what may fail inside a foreign process.
#ifndef MMUSIM_RECORD_PLUGIN_MAPS_H_
#define MMUSIM_RECORD_PLUGIN_MAPS_H_

#include <cstdint>
#include <string>
#include <vector>

namespace mmusim::record::plugin {

struct HostMapping {
  uint64_t begin = 0;
  uint64_t end = 0;
  uint64_t offset = 0;
  bool shared = false;
  std::string name;
};

// In order; empty if it cannot be read.
std::vector<HostMapping> host_mappings();

// A whole file of /proc.
std::string read_whole(const char* path);

}  // namespace mmusim::record::plugin

#endif  // MMUSIM_RECORD_PLUGIN_MAPS_H_
