/* SPDX-License-Identifier: Dual MIT/GPL
 *
 * The parts of kernel structures that proctop looks at. Only names and types of members matter here: where a member lies is looked up in
 * the running kernel's own type information when the program is loaded (CO-RE), so nothing else needs to be right, and no vmlinux.h is
 * needed. A name that ends in ___something stands for the same structure in other kernel versions.
 */
#pragma once

#define __unused __attribute__((unused))

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef signed char __s8;
typedef short __s16;
typedef int __s32;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef __u64 u64;
typedef _Bool bool;

enum { BPF_MAP_TYPE_RINGBUF = 27, BPF_MAP_TYPE_TASK_STORAGE = 29 };
enum { BPF_F_NO_PREALLOC = 1 };
enum { BPF_RB_NO_WAKEUP = 1 };
enum { BPF_LOCAL_STORAGE_GET_F_CREATE = 1 };
enum { GROUP_EXIT = 4 }; /* SIGNAL_GROUP_EXIT, include/linux/sched/signal.h */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct ns_common {
	__u32 inum;
};

struct pid_namespace {
	struct ns_common ns;
};

struct upid {
	int nr;
	struct pid_namespace *ns;
};

struct pid {
	__u32 level;
	struct upid numbers[1];
};

typedef struct {
	__u32 val;
} kuid_t;

struct cred {
	kuid_t euid;
};

struct kernfs_node {
	__u64 id; /* the inode number of the cgroup's directory */
};

struct cgroup_root;

struct cgroup {
	struct kernfs_node *kn;
	struct cgroup_root *root;
};

struct cgroup_subsys_state {
	struct cgroup *cgroup;
};

struct css_set {
	struct cgroup_subsys_state *subsys[1];
	struct cgroup *dfl_cgrp;
};

struct percpu_counter {
	__s64 count;
};

struct mm_struct {
	unsigned long total_vm;
	unsigned long data_vm;
	unsigned long hiwater_rss;
	unsigned long brk;
	unsigned long arg_start;
	unsigned long arg_end;
	struct percpu_counter rss_stat[4]; /* since 6.2 */
};

typedef struct {
	__s64 counter;
} atomic64_t;

struct mm_rss_stat___old {
	atomic64_t count[4];
};

struct mm_struct___old {
	struct mm_rss_stat___old rss_stat; /* before 6.2 */
};

struct fdtable {
	__u32 max_fds;
	unsigned long *open_fds;
};

struct files_struct {
	struct fdtable *fdt;
};

struct task_io_accounting {
	u64 rchar;
	u64 wchar;
	u64 syscr;
	u64 syscw;
	u64 read_bytes;
	u64 write_bytes;
};

struct prev_cputime {
	u64 utime;
	u64 stime;
};

typedef struct {
	int counter;
} atomic_t;

struct signal_struct {
	atomic_t live;
	int nr_threads;
	int group_exit_code;
	__u32 flags;
	struct prev_cputime prev_cputime;
	u64 utime, stime, cutime, cstime;
	unsigned long nvcsw, nivcsw;
	unsigned long min_flt, maj_flt;
	unsigned long maxrss; /* pages */
	struct task_io_accounting ioac;
	__u64 sum_sched_runtime;
	struct task_struct *group_exec_task; /* since 5.17 */
};

struct signal_struct___old {
	struct task_struct *group_exit_task; /* before 5.17, also of core dumps */
};

struct sched_info {
	__u64 run_delay;
	__u64 last_arrival;
};

struct sched_entity {
	u64 sum_exec_runtime;
};

struct task_delay_info {
	u64 blkio_delay;
};

struct thread_info {
	unsigned long flags;
	__u32 status;
	__u32 cpu;
};

struct task_struct {
	struct thread_info thread_info;
	__u32 __state; /* since 5.14 */
	__u32 flags;
	int prio, static_prio;
	struct sched_entity se;
	struct sched_info sched_info;
	struct mm_struct *mm;
	int exit_state, exit_code;
	int pid, tgid;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	struct pid *thread_pid;
	u64 utime, stime;
	unsigned long nvcsw, nivcsw;
	u64 start_boottime;
	unsigned long min_flt, maj_flt;
	const struct cred *real_cred;
	char comm[16];
	struct files_struct *files;
	struct signal_struct *signal;
	u64 self_exec_id;
	struct task_io_accounting ioac;
	struct css_set *cgroups;
	struct task_delay_info *delays;
};

struct task_struct___old {
	long state; /* before 5.14 */
	__u32 cpu;  /* before 5.16 */
};

struct pt_regs___x86 {
	unsigned long si;
	unsigned long orig_ax;
};

struct pt_regs___arm64 {
	u64 regs[31];
	int syscallno;
};

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
	__u64 seq_num;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

#pragma clang attribute pop

enum cgroup_subsys_id___local { memory_cgrp_id, pids_cgrp_id, cpu_cgrp_id };
