#include "record/plugin/maps.h"

#include <array>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace mmusim::record::plugin {

std::string read_whole(const char* path) {
  std::string all;
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return all;
  std::array<char, 16384> piece;
  for (ssize_t got; (got = read(file, piece.data(), piece.size())) > 0;)
    all.append(piece.data(), static_cast<size_t>(got));
  close(file);
  return all;
}

std::vector<HostMapping> host_mappings() {
  std::vector<HostMapping> mappings;
  const std::string text = read_whole("/proc/self/maps");
  for (size_t at = 0; at < text.size();) {
    size_t end = text.find('\n', at);
    if (end == std::string::npos) end = text.size();
    const std::string line = text.substr(at, end - at);
    at = end + 1;
    HostMapping mapping;
    unsigned long begin = 0;
    unsigned long stop = 0;
    unsigned long offset = 0;
    std::array<char, 5> rights{};
    int name_at = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx %4s %lx %*s %*s %n", &begin, &stop, rights.data(),
                    &offset, &name_at) < 4)
      continue;
    mapping.begin = begin;
    mapping.end = stop;
    mapping.offset = offset;
    mapping.shared = rights[3] == 's';
    if (name_at > 0 && static_cast<size_t>(name_at) < line.size())
      mapping.name = line.substr(static_cast<size_t>(name_at));
    mappings.push_back(std::move(mapping));
  }
  return mappings;
}

}  // namespace mmusim::record::plugin
