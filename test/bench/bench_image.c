/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An image from a file to unpacked layers, on disk when it is told done: import into the content store and
 * unpack, with the unpacking alone beside it. containerd's `ctr image import` does the same (and syncs no
 * layer) when PEER_CONTAINERD names the program; ctr stands beside it. The layer: 4,000 files, 128 MB,
 * compressible as programs are.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/tar.h"
#include "io/tls/sha256.h"
#include "io/uv/uv.h"
#include "runtime/image/transfer.h"

#define N_FILES 4000u
#define FILE_BYTES ((size_t)32 << 10)
#define LAYER_MB (N_FILES * FILE_BYTES / 1e6)

static char dir[64];

static double seconds(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	(void)fprintf(stderr, "bench image: %s\n", what);
	exit(1);
}

static SP_PRINTF(1, 2) bool run(const char *fmt, ...)
{
	char command[4096];
	va_list args;
	va_start(args, fmt);
	(void)vsnprintf(command, sizeof command, fmt, args);
	va_end(args);
	return system(command) == 0;
}

/* ---- the image ---- */

/* Pieces that were there before, and others that are new. */
static void fill(char *bytes, size_t n, uint64_t *seed)
{
	for (size_t i = 0; i < n;) {
		*seed = *seed * 6364136223846793005u + 1442695040888963407u;
		size_t piece = 8 + (*seed >> 58), back = i > 64 ? 1 + (*seed >> 33) % i : 0;
		bool old = back > 0 && (*seed & 0x10000) != 0;
		for (size_t k = 0; k < piece && i < n; k++, i++)
			bytes[i] = old ? bytes[i - back] : (char)(*seed >> (k % 48));
	}
}

static void write_layer(const char *path)
{
	FILE *f = fopen(path, "w");
	char *bytes = sp_alloc(FILE_BYTES), name[64];
	uint8_t head[SP_TAR_BLOCK] = {0};
	uint64_t seed = 1;
	must(f != NULL, "no layer");
	for (unsigned i = 0; i < N_FILES; i++) {
		int n = snprintf(name, sizeof name, "usr/lib/d%u/file%u", i / 50, i);
		must(sp_tar_head(head, (sp_str){name, (size_t)n}, 0644, FILE_BYTES, NULL) == SP_OK, "tar");
		fill(bytes, FILE_BYTES, &seed);
		must(fwrite(head, sizeof head, 1, f) == 1 && fwrite(bytes, FILE_BYTES, 1, f) == 1, "write");
	}
	memset(head, 0, sizeof head);
	must(fwrite(head, sizeof head, 1, f) == 1 && fwrite(head, sizeof head, 1, f) == 1 && fclose(f) == 0,
	     "write");
	sp_free(bytes);
}

static const char layout_script[] =
	"cd %s && rm -rf l && mkdir -p l/blobs/sha256 && %s <layer.tar >l/layer && d=$(sha256sum "
	"<l/layer|cut -c-64) && "
	"u=$(sha256sum <layer.tar|cut -c-64) && s=$(stat -c%%s l/layer) && mv l/layer l/blobs/sha256/$d && "
	"printf "
	"'{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{},\"rootfs\":{\"type\":\"layers\",\"diff_"
	"ids\":[\"sha256:%%s\"]}}' "
	"$u >l/c && c=$(sha256sum <l/c|cut -c-64) && cs=$(stat -c%%s l/c) && mv l/c l/blobs/sha256/$c && "
	"printf "
	"'{\"schemaVersion\":2,\"mediaType\":\"application/"
	"vnd.oci.image.manifest.v1+json\",\"config\":{\"mediaType\":"
	"\"application/"
	"vnd.oci.image.config.v1+json\",\"digest\":\"sha256:%%s\",\"size\":%%s},\"layers\":[{\"mediaType\":"
	"\"application/vnd.oci.image.layer.v1.tar%s\",\"digest\":\"sha256:%%s\",\"size\":%%s}]}' $c $cs $d "
	"$s >l/m && "
	"m=$(sha256sum <l/m|cut -c-64) && ms=$(stat -c%%s l/m) && mv l/m l/blobs/sha256/$m && "
	"printf '{\"imageLayoutVersion\":\"1.0.0\"}' >l/oci-layout && "
	"printf "
	"'{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"application/"
	"vnd.oci.image.manifest.v1+json\",\"digest\":"
	"\"sha256:%%s\",\"size\":%%s,\"annotations\":{\"io.containerd.image.name\":\"example.com/"
	"bench:1\"}}]}' $m $ms >l/index.json && "
	"tar -C l -cf image.tar oci-layout index.json blobs && sync";

/* ---- ours ---- */

typedef struct bench {
	sp_world *world;
	image_store *store;
	double t_import, t_unpack;
} bench;

static void on_closed(void *arg)
{
	sp_world_stop(((bench *)arg)->world);
}

static void on_prepared(void *arg, sp_code code, const image_rootfs *r, const sp_err *err)
{
	bench *b = arg;
	(void)r;
	must(code == SP_OK, err == NULL ? "" : err->msg);
	b->t_unpack = seconds();
	image_store_close(b->store, on_closed, b);
}

static void on_imported(void *arg, sp_code code, sp_strs names, const sp_err *err)
{
	bench *b = arg;
	(void)names;
	must(code == SP_OK, err == NULL ? "" : err->msg);
	b->t_import = seconds();
	image_rootfs_prepare(b->store, SP_STR("example.com/bench:1"), SP_STR("c"), on_prepared, b);
}

/* Seconds of import and of unpacking. */
static void ours(const char *helper_path, double *ret_import, double *ret_unpack)
{
	char store[96], tar[96];
	bench b = {.store = NULL};
	image_helper helper;
	must(run("rm -rf %s/ours && sync", dir), "rm");
	(void)snprintf(store, sizeof store, "%s/ours", dir);
	(void)snprintf(tar, sizeof tar, "%s/image.tar", dir);
	must(sp_world_uv_new(&b.world, NULL) == SP_OK, "no world");
	char helper_full[4096];
	must(realpath(helper_path, helper_full) != NULL, "no sampan-unpack");
	image_helper_init(&helper, b.world, helper_full);
	const image_store_opts o = {.dir = sp_str_c(store), .unpacker = &helper.unpacker};
	must(image_store_open(b.world, &o, &b.store, NULL) == SP_OK, "no store");
	double start = seconds();
	image_import(b.store, &(image_import_opts){.path = sp_str_c(tar), .done = on_imported, .arg = &b});
	sp_world_run(b.world);
	sp_world_uv_free(b.world);
	*ret_import = b.t_import - start;
	*ret_unpack = b.t_unpack - b.t_import;
}

/* ---- containerd ---- */

/* Seconds of `ctr image import`; 0: no peer. */
static double theirs(const char *containerd)
{
	char bin[256];
	if (containerd == NULL)
		return 0;
	(void)snprintf(bin, sizeof bin, "%s", containerd);
	char *slash = strrchr(bin, '/');
	must(slash != NULL, "PEER_CONTAINERD is a path");
	*slash = '\0';
	must(run("mkdir -p %s/peer && printf 'version = 2\\nroot = \"%s/peer/root\"\\nstate = "
		 "\"%s/peer/state\"\\n"
		 "disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\\n[grpc]\\naddress = \"%s/peer/s\"\\n' "
		 ">%s/peer/c.toml",
		 dir, dir, dir, dir, dir),
	     "peer");
	must(run("%s -c %s/peer/c.toml >%s/peer/log 2>&1 & echo $! >%s/peer/pid", containerd, dir, dir, dir),
	     "peer");
	bool up = run("timeout 30 sh -c 'until %s/ctr -a %s/peer/s version >/dev/null 2>&1; do :; done'", bin,
		      dir);
	double best = 0;
	for (int i = 0; up && i < 3; i++) {
		(void)run("%s/ctr -a %s/peer/s image rm --sync example.com/bench:1 >/dev/null 2>&1; sync",
			  bin, dir);
		double start = seconds();
		up = run("%s/ctr -a %s/peer/s image import %s/image.tar >/dev/null 2>%s/peer/err", bin, dir,
			 dir, dir);
		double t = seconds() - start;
		best = best == 0 || t < best ? t : best;
	}
	(void)run("kill $(cat %s/peer/pid); while kill -0 $(cat %s/peer/pid) 2>/dev/null; do :; done; rm -rf "
		  "%s/peer",
		  dir, dir, dir);
	must(up, "containerd does not import");
	return best;
}

static void print(const char *coding, const char *what, double t, double peer)
{
	printf("bench image_%s_%s %.1f MB/s ", what, coding, LAYER_MB / t);
	if (peer > 0)
		printf("peer=containerd %.1f ratio=%.2f\n", LAYER_MB / peer, peer / t);
	else
		printf("peer=none\n");
}

int main(void)
{
	static const struct {
		const char *coding, *program, *suffix;
	} codings[] = {{"plain", "cat", ""}, {"gzip", "gzip -6", "+gzip"}, {"zstd", "zstd -q", "+zstd"}};
	char layer[96];
	(void)snprintf(dir, sizeof dir, "/var/tmp/bench-image-%d", (int)getpid());
	must(mkdir(dir, 0700) == 0, "no directory");
	(void)snprintf(layer, sizeof layer, "%s/layer.tar", dir);
	write_layer(layer);
	for (size_t i = 0; i < SP_LEN(codings); i++) {
		double import = 0, unpack = 0, best = 0;
		must(run(layout_script, dir, codings[i].program, codings[i].suffix), "no image");
		for (int k = 0; k < 3; k++) {
			double a, b;
			ours("build/release/sampan-unpack", &a, &b);
			if (best == 0 || a + b < best) {
				best = a + b;
				import = a;
				unpack = b;
			}
		}
		double peer = theirs(getenv("PEER_CONTAINERD"));
		print(codings[i].coding, "import_and_unpack", import + unpack, peer);
		print(codings[i].coding, "unpack", unpack, 0);
		(void)fflush(stdout);
	}
	(void)run("rm -rf %s", dir);
	return 0;
}
