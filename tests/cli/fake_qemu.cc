// A QEMU that loads a plug-in as newer ones do and emulates next to nothing, for
// tests/cli/record_versions.sh: what Debian 12 has no QEMU for.
//
//   FAKE_QEMU_VERSIONS="MIN CUR" qemu-x86_64 ... -plugin FILE,NAME=VALUE,... ...
//
// MIN and CUR are the interface's oldest and newest versions. It executes one block three times:
// two instructions of 4 bytes, of which the second loads 8 bytes. Then it exits.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <string>
#include <vector>

#include "record/plugin/qemu_api.h"

namespace mmusim {
namespace {

struct Callback {
  qemu_plugin_vcpu_udata_cb_t call = nullptr;
  void* data = nullptr;
};
constexpr size_t kInstructions = 2;
constexpr uint64_t kLoad8 = 3;  // log2 of the bytes; a store has bit 2

alignas(8) std::array<uint32_t, kInstructions> code{};
qemu_plugin_vcpu_tb_trans_cb_t translated = nullptr;
qemu_plugin_vcpu_simple_cb_t thread_begins = nullptr;
Callback block_begins;
std::array<Callback, kInstructions> instruction_begins;
qemu_plugin_vcpu_mem_cb_t accessed = nullptr;
std::array<void*, kInstructions> access_data{};
qemu_plugin_vcpu_syscall_cb_t called = nullptr;

size_t index_of(const qemu_plugin_insn* insn) {
  return reinterpret_cast<uintptr_t>(insn) - 1;
}

int load(const std::string& plugin) {
  std::vector<std::string> parts;
  for (size_t at = 0, end = 0; at <= plugin.size(); at = end + 1) {
    end = std::min(plugin.find(',', at), plugin.size());
    parts.push_back(plugin.substr(at, end - at));
  }
  void* const handle = dlopen(parts[0].c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return std::fprintf(stderr, "fake: %s\n", dlerror());
  const auto* const version = static_cast<const int*>(dlsym(handle, "qemu_plugin_version"));
  using Install = int (*)(qemu_plugin_id_t, const qemu_info_t*, int, char**);
  const auto install = reinterpret_cast<Install>(dlsym(handle, "qemu_plugin_install"));
  if (version == nullptr || install == nullptr) return std::fprintf(stderr, "fake: no plug-in\n");
  int min = 0;
  int cur = 0;
  const char* const versions = std::getenv("FAKE_QEMU_VERSIONS");
  if (versions == nullptr || std::sscanf(versions, "%d %d", &min, &cur) != 2) return 1;
  if (*version < min || *version > cur)
    return std::fprintf(stderr, "fake: version %d is not in %d to %d\n", *version, min, cur);
  std::vector<char*> arguments;
  for (size_t i = 1; i < parts.size(); ++i)
    arguments.push_back(parts[i].data());
  const qemu_info_t info{"x86_64", {min, cur}, false};
  return install(1, &info, static_cast<int>(arguments.size()), arguments.data());
}

void run() {
  auto* const block = reinterpret_cast<qemu_plugin_tb*>(uintptr_t{1});
  if (thread_begins != nullptr) thread_begins(1, 0);
  translated(1, block);
  for (unsigned i = 0; i < 3; ++i) {
    block_begins.call(0, block_begins.data);
    for (const Callback& callback : instruction_begins)
      if (callback.call != nullptr) callback.call(0, callback.data);
    accessed(0, kLoad8, reinterpret_cast<uint64_t>(&code), access_data[1]);
  }
  constexpr int64_t kExitGroup = 231;
  called(1, 0, kExitGroup, 0, 0, 0, 0, 0, 0, 0, 0);
}

}  // namespace
}  // namespace mmusim

extern "C" {
// That it is there says that the interface is of version 2 or newer.
void qemu_plugin_scoreboard_new() {}

size_t qemu_plugin_tb_n_insns(const qemu_plugin_tb* /*tb*/) {
  return mmusim::kInstructions;
}
uint64_t qemu_plugin_tb_vaddr(const qemu_plugin_tb* /*tb*/) {
  return reinterpret_cast<uint64_t>(&mmusim::code);
}
qemu_plugin_insn* qemu_plugin_tb_get_insn(const qemu_plugin_tb* /*tb*/, size_t index) {
  return reinterpret_cast<qemu_plugin_insn*>(index + 1);
}
size_t qemu_plugin_insn_size(const qemu_plugin_insn* /*insn*/) {
  return sizeof(uint32_t);
}
uint64_t qemu_plugin_insn_vaddr(const qemu_plugin_insn* insn) {
  return reinterpret_cast<uint64_t>(&mmusim::code[mmusim::index_of(insn)]);
}
void* qemu_plugin_insn_haddr(const qemu_plugin_insn* insn) {
  return &mmusim::code[mmusim::index_of(insn)];
}
unsigned qemu_plugin_mem_size_shift(qemu_plugin_meminfo_t info) {
  return info & 3;
}
bool qemu_plugin_mem_is_store(qemu_plugin_meminfo_t info) {
  return (info & 4) != 0;
}
void qemu_plugin_register_vcpu_init_cb(qemu_plugin_id_t /*id*/, qemu_plugin_vcpu_simple_cb_t cb) {
  mmusim::thread_begins = cb;
}
void qemu_plugin_register_vcpu_exit_cb(qemu_plugin_id_t /*id*/,
                                       qemu_plugin_vcpu_simple_cb_t /*cb*/) {}
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t /*id*/,
                                           qemu_plugin_vcpu_tb_trans_cb_t cb) {
  mmusim::translated = cb;
}
void qemu_plugin_register_vcpu_tb_exec_cb(qemu_plugin_tb* /*tb*/, qemu_plugin_vcpu_udata_cb_t cb,
                                          qemu_plugin_cb_flags /*flags*/, void* data) {
  mmusim::block_begins = {cb, data};
}
void qemu_plugin_register_vcpu_mem_cb(qemu_plugin_insn* insn, qemu_plugin_vcpu_mem_cb_t cb,
                                      qemu_plugin_cb_flags /*flags*/, qemu_plugin_mem_rw /*rw*/,
                                      void* data) {
  mmusim::accessed = cb;
  mmusim::access_data[mmusim::index_of(insn)] = data;
}
void qemu_plugin_register_vcpu_insn_exec_cb(qemu_plugin_insn* insn, qemu_plugin_vcpu_udata_cb_t cb,
                                            qemu_plugin_cb_flags /*flags*/, void* data) {
  mmusim::instruction_begins[mmusim::index_of(insn)] = {cb, data};
}
void qemu_plugin_register_vcpu_syscall_cb(qemu_plugin_id_t /*id*/,
                                          qemu_plugin_vcpu_syscall_cb_t cb) {
  mmusim::called = cb;
}
void qemu_plugin_register_vcpu_syscall_ret_cb(qemu_plugin_id_t /*id*/,
                                              qemu_plugin_vcpu_syscall_ret_cb_t /*cb*/) {}
}

int main(int argc, char** argv) {
  for (int i = 1; i + 1 < argc; ++i) {
    if (std::strcmp(argv[i], "-plugin") != 0) continue;
    if (mmusim::load(argv[i + 1]) != 0) {
      std::fprintf(stderr, "fake: the plug-in is not loaded\n");
      return 1;
    }
    mmusim::run();
    return 0;
  }
  return 1;
}
