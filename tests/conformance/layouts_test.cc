// The kit's list of layouts has those of every architecture there is, as its machines and the keys
// that change them say; a new architecture that is not in it fails here.
#include <algorithm>
#include <array>
#include <filesystem>
#include <gtest/gtest.h>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "pt/conformance/layout.h"
#include "sim/machine_options.h"
#include "sim/simulation.h"

namespace mmusim::pt::conformance {
namespace {

// The layout of the kit that is a configuration's; null: there is none.
const Layout* layout_of(const config::Config& config) {
  const sim::TableLayout tables = sim::architecture_of(config).tables(config);
  const auto found = std::find_if(layouts().begin(), layouts().end(), [&](const Layout& layout) {
    return layout.page == tables.page && layout.geometry == tables.geometry &&
           layout.entry_bytes == tables.entry_bytes;
  });
  return found == layouts().end() ? nullptr : &*found;
}

// One per machine file, and the keys that give others.
std::vector<std::pair<std::string, config::Config>> configurations(const config::Schema& schema) {
  std::vector<std::pair<std::string, config::Config>> all;
  const auto machine = [&](const std::string& name) {
    config::Config config(schema);
    config.load(std::string(MMUSIM_SOURCE_DIR "/configs/machines/") + name);
    return config;
  };
  for (const auto& file :
       std::filesystem::directory_iterator(MMUSIM_SOURCE_DIR "/configs/machines"))
    all.emplace_back(file.path().filename().string(), machine(file.path().filename().string()));
  const std::vector<std::array<const char*, 3>> changes = {
      {"skylake-sp.cfg", "paging.levels", "5"},
      {"skylake-sp.cfg", "paging.gigabyte_pages", "false"},
      {"pentium4.cfg", "paging.levels", "2"},
      {"pentium4.cfg", "paging.levels", "3"},
      {"itanium2-madison.cfg", "ia64.levels", "4"},
      {"power8.cfg", "ppc64.page", "4K"},
      {"power8.cfg", "ppc64.page", "64K"},
  };
  for (const auto& [name, key, value] : changes) {
    all.emplace_back(std::string(name) + " " + key + "=" + value, machine(name));
    all.back().second.set(key, value, "test");
  }
  return all;
}

TEST(Layouts, AreThoseOfAllArchitectures) {
  config::Schema schema;
  sim::declare(schema);
  std::set<std::string> architectures;
  std::set<const Layout*> used;
  for (const auto& [name, config] : configurations(schema)) {
    const Layout* const layout = layout_of(config);
    EXPECT_NE(layout, nullptr) << name;
    used.insert(layout);
    architectures.insert(config.choice("machine.arch"));
  }
  EXPECT_EQ(architectures.size(), sim::all_architectures().size());
  // And no other, but the two of no architecture.
  for (const Layout& layout : layouts())
    EXPECT_EQ(used.count(&layout) == 0,
              std::string_view("odd full64 superpages").find(layout.name) != std::string_view::npos)
        << layout.name;
}

// Worked out by hand from the levels.
TEST(Layouts, SpacesAreWhereTheArchitecturesHaveThem) {
  const auto spaces = [](std::string_view name) {
    const auto found = std::find_if(layouts().begin(), layouts().end(),
                                    [&](const Layout& layout) { return layout.name == name; });
    return found->spaces();
  };
  using Ranges = std::vector<VirtRange>;
  EXPECT_EQ(spaces("i386"), (Ranges{{VirtAddr(0), VirtAddr(0x1'0000'0000)}}));
  // 13 + 40 bits, of which one is the sign: a hole between 2^52 and 2^64 - 2^52.
  EXPECT_EQ(spaces("sparc64"),
            (Ranges{{VirtAddr(0), VirtAddr(0x10'0000'0000'0000)},
                    {VirtAddr(0xfff0'0000'0000'0000), VirtAddr(0xffff'ffff'ffff'e000)}}));
  // 14 + 33 bits, of which three are the region's: 2^44 bytes in each of eight.
  const Ranges ia64 = spaces("ia64");
  ASSERT_EQ(ia64.size(), 8u);
  EXPECT_EQ(ia64[1], (VirtRange{VirtAddr(0x2000'0000'0000'0000), VirtAddr(0x2000'1000'0000'0000)}));
  EXPECT_EQ(ia64[7], (VirtRange{VirtAddr(0xe000'0000'0000'0000), VirtAddr(0xe000'1000'0000'0000)}));
  EXPECT_EQ(spaces("full64"), (Ranges{{VirtAddr(0), VirtAddr(0xffff'ffff'ffff'0000)}}));
}

}  // namespace
}  // namespace mmusim::pt::conformance
