#include "pt/plugin.h"

#include <algorithm>
#include <cstring>
#include <dlfcn.h>
#include <elf.h>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <string_view>
#include <sys/stat.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/error.h"
#include "config/nearest.h"
#include "pt/plugin_entry.h"

namespace mmusim::pt {
namespace {

constexpr const char* kEntryPoint = "mmusim_page_table_plugin_entry";
constexpr const char* kRebuild = "rebuild it against the installed headers of this mmusim";

struct Plugin {
  const Backend* backend = nullptr;
  std::string hash;
};

// Whether the file is a shared object with all its segments: the dynamic loader maps what the
// headers promise, and reading past the end of a file that was cut off would be a bus error.
bool is_shared_object(const std::string& bytes) {
  Elf64_Ehdr header;
  if (bytes.size() < sizeof header || !bytes.starts_with(ELFMAG)) return false;
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_type != ET_DYN ||
      header.e_phentsize != sizeof(Elf64_Phdr))
    return false;
  const uint64_t room = bytes.size();
  if (header.e_phoff > room || header.e_phnum > (room - header.e_phoff) / sizeof(Elf64_Phdr))
    return false;
  for (uint64_t i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    std::memcpy(&segment, bytes.data() + header.e_phoff + i * sizeof segment, sizeof segment);
    if (segment.p_offset > room || segment.p_filesz > room - segment.p_offset) return false;
  }
  return true;
}

std::string content_hash(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0)
    throw UsageError(path, "there is no such page-table plug-in",
                     "a page table with a / in its name is the path of a shared object");
  if (!S_ISREG(status.st_mode)) throw UsageError(path, "not a page-table plug-in: it is no file");
  std::ifstream file(path, std::ios::binary);
  if (!file) throw UsageError(path, "cannot open this page-table plug-in");
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  if (!is_shared_object(bytes))
    throw UsageError(path, "not a page-table plug-in: it is no shared object, or not all of one",
                     "build one with mmusim_add_page_table()");
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

// Opens it with as little as possible of it resolved, so that one built for another version can be
// told from one that is broken.
void* open(const std::string& path) {
  void* const handle = dlopen(path.c_str(), RTLD_LAZY | RTLD_LOCAL);
  if (handle == nullptr)
    throw UsageError(path, fmt::format("cannot load this page-table plug-in: {}", dlerror()),
                     kRebuild);
  return handle;
}

const mmusim_page_table_plugin& description(const std::string& path, void* handle) {
  using EntryPoint = const mmusim_page_table_plugin* (*)();
  const auto entry = reinterpret_cast<EntryPoint>(dlsym(handle, kEntryPoint));
  if (entry == nullptr)
    throw UsageError(path, fmt::format("not a page-table plug-in: it has no {}", kEntryPoint),
                     "end one of its sources with MMUSIM_PAGE_TABLE_PLUGIN(backend)");
  const mmusim_page_table_plugin* const plugin = entry();
  if (plugin == nullptr || plugin->magic != kPluginMagic)
    throw UsageError(
        path, fmt::format("not a page-table plug-in: its {} returns something else", kEntryPoint));
  if (plugin->version != kPluginVersion)
    throw UsageError(path,
                     fmt::format("built for version {} of the page-table interface, and this "
                                 "mmusim has version {}",
                                 plugin->version, kPluginVersion),
                     kRebuild);
  if (plugin->bytes != sizeof *plugin || std::string_view(plugin->library) != MMUSIM_PLUGIN_LIBRARY)
    throw UsageError(
        path,
        fmt::format("built with {}, and this mmusim with " MMUSIM_PLUGIN_LIBRARY,
                    plugin->bytes == sizeof *plugin ? plugin->library : "another compiler"),
        kRebuild);
  if (plugin->layout != plugin_layout())
    throw UsageError(path, "its types are laid out otherwise than this mmusim's", kRebuild);
  return *plugin;
}

bool good_name(const char* name) {
  const std::string_view text = name == nullptr ? "" : name;
  return !text.empty() &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-") == std::string_view::npos;
}

// That it can be used beside the others.
void check(const std::string& path, const Backend& backend) {
  if (!good_name(backend.name))
    throw UsageError(path, "its page table's name is not made of a-z, 0-9, _ and -");
  for (const Backend& known : backends())
    if (std::string_view(known.name) == backend.name)
      throw UsageError(path, fmt::format("mmusim has a page table '{}' of its own", backend.name),
                       "name the plug-in's otherwise");
  if (backend.summary == nullptr || backend.declare == nullptr || backend.make == nullptr)
    throw UsageError(path, "its Backend lacks a summary, declare or make");
  config::Schema own;
  backend.declare(own);
  const std::string prefix = fmt::format("pt.{}.", backend.name);
  for (const config::Key& key : own.keys())
    if (!key.name.starts_with(prefix))
      throw UsageError(path,
                       fmt::format("its key '{}' does not begin with '{}'", key.name, prefix));
}

Plugin load(const std::string& path) {
  Plugin plugin{.hash = content_hash(path)};
  const mmusim_page_table_plugin& found = description(path, open(path));
  // All of it now: a symbol that is not there should not end a run in the middle.
  if (dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL) == nullptr)
    throw UsageError(path, fmt::format("cannot load this page-table plug-in: {}", dlerror()),
                     kRebuild);
  plugin.backend = found.backend;
  if (plugin.backend == nullptr) throw UsageError(path, "it names no Backend");
  check(path, *plugin.backend);
  return plugin;
}

const Plugin& plugin_of(const std::string& path) {
  MMUSIM_ASSERT(is_plugin_path(path));
  static std::mutex mutex;
  static std::map<std::string, Plugin> loaded;
  const std::lock_guard lock(mutex);
  auto found = loaded.find(path);
  if (found == loaded.end()) found = loaded.emplace(path, load(path)).first;
  return found->second;
}

}  // namespace

const Backend& load_plugin(const std::string& path) {
  return *plugin_of(path).backend;
}

const std::string& plugin_hash(const std::string& path) {
  return plugin_of(path).hash;
}

const Backend& find_backend(const std::string& name_or_path) {
  if (is_plugin_path(name_or_path)) return load_plugin(name_or_path);
  std::vector<std::string> names;
  for (const Backend& backend : backends()) {
    if (name_or_path == backend.name) return backend;
    names.emplace_back(backend.name);
  }
  throw UsageError("", fmt::format("no page table '{}'", name_or_path),
                   config::suggestion(name_or_path, names));
}

}  // namespace mmusim::pt
