/* SPDX-License-Identifier: Apache-2.0 */
#include "controllers/volume_names.h"

#include <stdio.h>

#define GCE_ZONAL SP_STR("projects/UNSPECIFIED/zones/")
#define GCE_REGIONAL SP_STR("projects/UNSPECIFIED/regions/")

static sp_str text_at(yyjson_val *v, const char *key)
{
	return sp_json_str(sp_json_last(v, sp_str_c(key)));
}

static void add(vol_name *n, sp_str part)
{
	if (n->n < VOL_NAME_PARTS)
		n->parts[n->n] = part;
	n->n++; /* beyond the end: it does not fit, vol_name_of_… says so */
}

/* ---- handles ---- */

static bool handle_is_id(yyjson_val *pv, sp_str id, vol_name *ret)
{
	(void)pv;
	add(ret, id);
	return true;
}

/* "aws://ZONE/vol-…", "aws:///vol-…" or the bare name. */
static bool handle_of_ebs(yyjson_val *pv, sp_str id, vol_name *ret)
{
	sp_str host;
	(void)pv;
	if (sp_str_take(&id, SP_STR("aws://"))) {
		if (!sp_str_cut(&id, '/', &host))
			return false;
		while (sp_str_take(&id, SP_STR("/")))
			;
		while (id.len > 0 && id.ptr[id.len - 1] == '/')
			id.len--;
		if (!sp_str_starts(id, SP_STR("vol-")) || sp_str_find(id, SP_STR("/")) >= 0)
			return false;
	}
	add(ret, id);
	return true;
}

/* The region of "REGION-PLACE-x"; empty when it is no zone. */
static sp_str region_of(sp_str zone)
{
	size_t n_dashes = 0, last = 0;
	for (size_t i = 0; i < zone.len; i++) {
		if (zone.ptr[i] == '-') {
			n_dashes++;
			last = i;
		}
	}
	return n_dashes == 2 ? (sp_str){zone.ptr, last} : SP_STR("");
}

/* A zone of the volume's labels; "a__b": the region of both. */
static bool handle_of_gce(yyjson_val *pv, sp_str id, vol_name *ret)
{
	yyjson_val *labels = sp_json_last(sp_json_last(pv, SP_STR("metadata")), SP_STR("labels"));
	sp_str zones = text_at(labels, "failure-domain.beta.kubernetes.io/zone");
	if (zones.len == 0)
		zones = text_at(labels, "topology.kubernetes.io/zone");
	ptrdiff_t cut = sp_str_find(zones, SP_STR("__"));
	sp_str place = zones.len == 0 ? SP_STR("UNSPECIFIED") : zones;
	if (cut >= 0) {
		place = region_of((sp_str){zones.ptr, (size_t)cut});
		if (place.len == 0)
			return false;
	}
	add(ret, cut >= 0 ? GCE_REGIONAL : GCE_ZONAL);
	add(ret, place);
	add(ret, SP_STR("/disks/"));
	add(ret, id);
	return true;
}

/* ---- attributes of a pod's own volume ---- */

static void write_partition(sp_jout *j, int64_t partition, bool zero_too)
{
	char text[24];
	int n = snprintf(text, sizeof text, "%lld", (long long)partition);
	sp_jout_member_str(j, SP_STR("partition"),
			   partition == 0 && !zero_too ? SP_STR("") : (sp_str){text, (size_t)n});
}

static void attributes_of_ebs(sp_jout *j, yyjson_val *source)
{
	write_partition(j, yyjson_get_sint(sp_json_last(source, SP_STR("partition"))), true);
}

static void attributes_of_gce(sp_jout *j, yyjson_val *source)
{
	write_partition(j, yyjson_get_sint(sp_json_last(source, SP_STR("partition"))), false);
}

static void attributes_of_azure(sp_jout *j, yyjson_val *source)
{
	sp_str caching = text_at(source, "cachingMode"), fs = text_at(source, "fsType");
	if (caching.len > 0)
		sp_jout_member_str(j, SP_STR("cachingmode"), caching);
	if (fs.len > 0)
		sp_jout_member_str(j, SP_STR("fstype"), fs);
	sp_jout_member_str(j, SP_STR("kind"), SP_STR("Managed"));
}

/* U: csi-translation-lib plugins. */
static const vol_moved moved_plugins[] = {
	{.member = "awsElasticBlockStore",
	 .plugin = "kubernetes.io/aws-ebs",
	 .driver = "ebs.csi.aws.com",
	 .id = "volumeID",
	 .handle = handle_of_ebs,
	 .attributes = attributes_of_ebs,
	 .says_read_only = true},
	{.member = "gcePersistentDisk",
	 .plugin = "kubernetes.io/gce-pd",
	 .driver = "pd.csi.storage.gke.io",
	 .id = "pdName",
	 .handle = handle_of_gce,
	 .attributes = attributes_of_gce,
	 .reading_shares = true,
	 .says_read_only = true},
	{.member = "cinder",
	 .plugin = "kubernetes.io/cinder",
	 .driver = "cinder.csi.openstack.org",
	 .id = "volumeID",
	 .handle = handle_is_id,
	 .says_read_only = true},
	{.member = "azureDisk",
	 .plugin = "kubernetes.io/azure-disk",
	 .driver = "disk.csi.azure.com",
	 .id = "diskURI",
	 .handle = handle_is_id,
	 .attributes = attributes_of_azure,
	 .title_is_id = true,
	 .says_read_only = true},
	{.member = "azureFile", .plugin = "kubernetes.io/azure-file", .driver = "file.csi.azure.com"},
	{.member = "vsphereVolume",
	 .plugin = "kubernetes.io/vsphere-volume",
	 .driver = "csi.vsphere.vmware.com",
	 .id = "volumePath",
	 .handle = handle_is_id},
	{.member = "portworxVolume",
	 .plugin = "kubernetes.io/portworx-volume",
	 .driver = "pxd.portworx.com",
	 .id = "volumeID",
	 .handle = handle_is_id,
	 .reading_shares = true},
};

const vol_moved *vol_moved_of(yyjson_val *spec)
{
	for (size_t i = 0; i < SP_LEN(moved_plugins); i++) {
		if (sp_json_last(spec, sp_str_c(moved_plugins[i].member)) != NULL)
			return &moved_plugins[i];
	}
	return NULL;
}

/* ---- names ---- */

static bool name_csi(vol_name *ret, sp_str driver)
{
	ret->driver = driver;
	add(ret, VOL_CSI_PREFIX);
	add(ret, driver);
	add(ret, SP_STR("^"));
	ret->i_handle = ret->n;
	return driver.len > 0;
}

static bool name_moved(yyjson_val *sources, yyjson_val *pv, vol_name *ret)
{
	const vol_moved *m = vol_moved_of(sources);
	if (m == NULL || m->handle == NULL)
		return false;
	ret->moved = m;
	ret->source = sp_json_last(sources, sp_str_c(m->member));
	return name_csi(ret, sp_str_c(m->driver)) && m->handle(pv, text_at(ret->source, m->id), ret);
}

static sp_str lun_of(yyjson_val *source, vol_name *ret)
{
	int n = snprintf(ret->lun, sizeof ret->lun, "%lld",
			 (long long)yyjson_get_sint(sp_json_last(source, SP_STR("lun"))));
	return (sp_str){ret->lun, (size_t)n};
}

static bool name_iscsi(yyjson_val *source, vol_name *ret)
{
	add(ret, SP_STR("kubernetes.io/iscsi/"));
	add(ret, text_at(source, "targetPortal"));
	add(ret, SP_STR(":"));
	add(ret, text_at(source, "iqn"));
	add(ret, SP_STR(":"));
	add(ret, lun_of(source, ret));
	return true;
}

/* As Go prints a list: "[a b]". */
static bool name_fc(yyjson_val *source, vol_name *ret)
{
	yyjson_val *v, *names = sp_json_last(source, SP_STR("targetWWNs"));
	size_t i, n;
	bool by_lun = yyjson_arr_size(names) > 0 && sp_json_last(source, SP_STR("lun")) != NULL;
	if (!by_lun)
		names = sp_json_last(source, SP_STR("wwids"));
	if (yyjson_arr_size(names) == 0)
		return false;
	add(ret, SP_STR("kubernetes.io/fc/["));
	yyjson_arr_foreach(names, i, n, v)
	{
		if (i > 0)
			add(ret, SP_STR(" "));
		add(ret, sp_json_str(v));
	}
	add(ret, by_lun ? SP_STR("]:") : SP_STR("]"));
	if (by_lun)
		add(ret, lun_of(source, ret));
	return true;
}

static bool name_plain(yyjson_val *sources, vol_name *ret)
{
	yyjson_val *iscsi = sp_json_last(sources, SP_STR("iscsi")), *fc = sp_json_last(sources, SP_STR("fc"));
	ret->source = iscsi != NULL ? iscsi : fc;
	return iscsi != NULL ? name_iscsi(iscsi, ret) : fc != NULL && name_fc(fc, ret);
}

/* Access modes allow several nodes, or say nothing. */
static bool modes_share(yyjson_val *pv)
{
	yyjson_val *v, *modes = sp_json_last(sp_json_last(pv, SP_STR("spec")), SP_STR("accessModes"));
	size_t i, n;
	yyjson_arr_foreach(modes, i, n, v)
	{
		sp_str mode = sp_json_str(v);
		if (sp_str_eq(mode, SP_STR("ReadWriteMany")) || sp_str_eq(mode, SP_STR("ReadOnlyMany")))
			return true;
	}
	return yyjson_arr_size(modes) == 0;
}

bool vol_name_of_pv(yyjson_val *pv, vol_name *ret)
{
	yyjson_val *spec = sp_json_last(pv, SP_STR("spec")), *csi = sp_json_last(spec, SP_STR("csi"));
	*ret = (vol_name){.source = csi, .is_shared = modes_share(pv)};
	if (csi != NULL) {
		if (!name_csi(ret, text_at(csi, "driver")))
			return false;
		add(ret, text_at(csi, "volumeHandle"));
		return true;
	}
	return (name_moved(spec, pv, ret) || name_plain(spec, ret)) && ret->n <= VOL_NAME_PARTS;
}

static bool reads_only(yyjson_val *source)
{
	return yyjson_get_bool(sp_json_last(source, SP_STR("readOnly")));
}

bool vol_name_of_inline(yyjson_val *volume, vol_name *ret)
{
	*ret = (vol_name){.is_shared = true};
	if (name_moved(volume, NULL, ret))
		ret->is_shared = ret->moved->reading_shares && reads_only(ret->source);
	else if (ret->moved != NULL || !name_plain(volume, ret))
		return false;
	return ret->n <= VOL_NAME_PARTS;
}

sp_str vol_name_unique(sp_arena *a, const vol_name *n)
{
	return sp_arena_concat(a, n->parts, n->n);
}

sp_str vol_name_handle(sp_arena *a, const vol_name *n)
{
	return sp_arena_concat(a, n->parts + n->i_handle, n->n - n->i_handle);
}

sp_str vol_name_inline_title(sp_arena *a, const vol_name *n, yyjson_val *volume)
{
	if (n->moved == NULL)
		return text_at(volume, "name");
	sp_str id = n->parts[n->n - 1];
	return n->moved->title_is_id ? id : SP_CONCAT(a, n->driver, SP_STR("-"), id);
}

/* ---- as the driver's ---- */

void vol_name_write_inline(sp_jout *j, sp_arena *a, const vol_name *n)
{
	sp_str fs = text_at(n->source, "fsType");
	sp_str mode = n->is_shared ? SP_STR("ReadOnlyMany") : SP_STR("ReadWriteOnce");
	sp_jout_member_open(j, SP_STR("inlineVolumeSpec"), '{');
	sp_jout_member_strs(j, SP_STR("accessModes"), &mode, 1);
	sp_jout_member_open(j, SP_STR("csi"), '{');
	sp_jout_member_str(j, SP_STR("driver"), n->driver);
	sp_jout_member_str(j, SP_STR("volumeHandle"), vol_name_handle(a, n));
	if (n->moved->says_read_only && reads_only(n->source))
		sp_jout_member_bool(j, SP_STR("readOnly"), true);
	if (fs.len > 0)
		sp_jout_member_str(j, SP_STR("fsType"), fs);
	if (n->moved->attributes != NULL) {
		sp_jout_member_open(j, SP_STR("volumeAttributes"), '{');
		n->moved->attributes(j, n->source);
		sp_jout_close(j, '}');
	}
	sp_jout_close(j, '}');
	sp_jout_member_str(j, SP_STR("volumeMode"), SP_STR("Filesystem"));
	sp_jout_close(j, '}');
}
