// A plug-in for QEMU that counts, for tests/cli/record_counts.sh: what QEMU executes, by QEMU's own
// counters for each instruction, to be held against what was recorded. `out=FILE` is its argument.
// It prints what trace_counts.cc prints of a trace.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <set>

#include "record/plugin/qemu_api.h"

extern "C" {
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };
void qemu_plugin_register_vcpu_insn_exec_inline(qemu_plugin_insn* insn, qemu_plugin_op operation,
                                                void* number, uint64_t operand);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, void (*callback)(qemu_plugin_id_t, void*),
                                    void* data);
}

namespace mmusim {
namespace {

constexpr uint64_t kPage = 4096;

uint64_t instructions = 0;
uint64_t load_bytes = 0;
uint64_t store_bytes = 0;
std::set<uint64_t> code;
std::set<uint64_t> data;
const char* output = nullptr;

void add_pages(std::set<uint64_t>& pages, uint64_t address, uint64_t bytes) {
  pages.insert(address / kPage);
  pages.insert((address + bytes - 1) / kPage);
}

void on_access(unsigned /*vcpu*/, qemu_plugin_meminfo_t info, uint64_t address, void* /*data*/) {
  const uint64_t bytes = uint64_t{1} << qemu_plugin_mem_size_shift(info);
  (qemu_plugin_mem_is_store(info) ? store_bytes : load_bytes) += bytes;
  add_pages(data, address, bytes);
}

struct Fetch {
  uint64_t address;
  uint64_t bytes;
};
void on_fetch(unsigned /*vcpu*/, void* fetch) {
  const Fetch& it = *static_cast<const Fetch*>(fetch);
  add_pages(code, it.address, it.bytes);
}

void on_translation(qemu_plugin_id_t /*id*/, qemu_plugin_tb* tb) {
  for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); ++i) {
    qemu_plugin_insn* const insn = qemu_plugin_tb_get_insn(tb, i);
    qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64, &instructions, 1);
    // As long as QEMU may execute it, that is for ever.
    qemu_plugin_register_vcpu_insn_exec_cb(
        insn, on_fetch, QEMU_PLUGIN_CB_NO_REGS,
        new Fetch{qemu_plugin_insn_vaddr(insn), qemu_plugin_insn_size(insn)});
    qemu_plugin_register_vcpu_mem_cb(insn, on_access, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW,
                                     nullptr);
  }
}

void print(qemu_plugin_id_t /*id*/, void* /*data*/) {
  std::FILE* const file = std::fopen(output, "w");
  if (file == nullptr) return;
  std::fprintf(file, "instructions %ju\nload_bytes %ju\nstore_bytes %ju\n",
               static_cast<uintmax_t>(instructions), static_cast<uintmax_t>(load_bytes),
               static_cast<uintmax_t>(store_bytes));
  for (const uint64_t page : code)
    std::fprintf(file, "code %jx\n", static_cast<uintmax_t>(page));
  for (const uint64_t page : data)
    std::fprintf(file, "data %jx\n", static_cast<uintmax_t>(page));
  std::fclose(file);
}

}  // namespace
}  // namespace mmusim

extern "C" {
[[gnu::visibility("default")]] int qemu_plugin_version = 1;
[[gnu::visibility("default")]] int qemu_plugin_install(qemu_plugin_id_t id,
                                                       const qemu_info_t* /*info*/, int argc,
                                                       char** argv) {
  for (int i = 0; i < argc; ++i)
    if (std::strncmp(argv[i], "out=", 4) == 0) mmusim::output = argv[i] + 4;
  qemu_plugin_register_vcpu_tb_trans_cb(id, mmusim::on_translation);
  qemu_plugin_register_atexit_cb(id, mmusim::print, nullptr);
  return mmusim::output != nullptr ? 0 : 1;
}
}
