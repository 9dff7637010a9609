/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kinds/volume_sources.h"

void sp_vol_need(sp_violations *v, const sp_path *path, yyjson_mut_val *source, const char *member)
{
	yyjson_mut_val *val = sp_kv_get(source, member);
	if (sp_jmut_str(val).len == 0 && sp_kv_len(val) == 0)
		sp_v_required(v, SP_AT_STR(path, sp_str_c(member)), "%s", "");
}

void sp_file_mode_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *source, const char *member)
{
	int64_t mode = sp_kv_i64(source, member, 0);
	if (mode < 0 || mode > 0777)
		sp_v_invalid(v, SP_AT_STR(path, sp_str_c(member)), mode,
			     "must be a number between 0 and 0777 (octal), both inclusive");
}

/* secretRef.name when there is a secretRef. */
static void secret_ref_name(sp_violations *v, const sp_path *path, yyjson_mut_val *source)
{
	if (sp_kv_has(source, "secretRef"))
		sp_vol_need(v, SP_AT(path, "secretRef"), sp_kv_get(source, "secretRef"), "name");
}

void sp_vol_host_path(sp_violations *v, const sp_path *path, yyjson_mut_val *source)
{
	static const char *const types[] = {
		"",     "BlockDevice",  "CharDevice", "Directory", "DirectoryOrCreate",
		"File", "FileOrCreate", "Socket"};
	sp_str host_path = sp_kv_str(source, "path"), type = sp_kv_str(source, "type");
	if (host_path.len == 0) {
		sp_v_required(v, SP_AT(path, "path"), "%s", "");
		return;
	}
	sp_v_no_backsteps(v, SP_AT(path, "path"), host_path);
	SP_V_ENUM_OPT(v, SP_AT(path, "type"), type, types);
}

static void partition(sp_violations *v, const sp_path *path, yyjson_mut_val *source)
{
	int64_t n = sp_kv_i64(source, "partition", 0);
	if (n < 0 || n > 255)
		sp_v_invalid(v, SP_AT(path, "partition"), n, "must be between 1 and 255, inclusive");
}

void sp_vol_gce(sp_violations *v, const sp_path *path, yyjson_mut_val *source)
{
	sp_vol_need(v, path, source, "pdName");
	partition(v, path, source);
}

void sp_vol_aws(sp_violations *v, const sp_path *path, yyjson_mut_val *source)
{
	sp_vol_need(v, path, source, "volumeID");
	partition(v, path, source);
}

void sp_vol_nfs(sp_violations *v, const sp_path *path, yyjson_mut_val *source)
{
	sp_str dir = sp_kv_str(source, "path");
	sp_vol_need(v, path, source, "server");
	sp_vol_need(v, path, source, "path");
	if (!sp_str_starts(dir, SP_STR("/")))
		sp_v_invalid(v, SP_AT(path, "path"), dir, "must be an absolute path");
}

void sp_vol_glusterfs(sp_violations *v, const sp_path *path, yyjson_mut_val *source)
{
	sp_vol_need(v, path, source, "endpoints");
	sp_vol_need(v, path, source, "path");
}

void sp_vol_flocker(sp_violations *v, const sp_path *path, yyjson_mut_val *source)
{
	sp_str name = sp_kv_str(source, "datasetName"), uuid = sp_kv_str(source, "datasetUUID");
	if (name.len == 0 && uuid.len == 0)
		sp_v_required(v, path, "one of datasetName and datasetUUID is required");
	if (name.len > 0 && uuid.len > 0)
		sp_v_invalid(v, path, "resource",
			     "datasetName and datasetUUID can not be specified simultaneously");
	if (sp_str_index(name, '/') >= 0)
		sp_v_invalid(v, SP_AT(path, "datasetName"), name, "must not contain '/'");
}

void sp_vol_rbd(sp_violations *v, const sp_path *path, yyjson_mut_val *source)
{
	sp_vol_need(v, path, source, "monitors");
	sp_vol_need(v, path, source, "image");
}

void sp_vol_cinder(sp_violations *v, const sp_path *path, yyjson_mut_val *source)
{
	sp_vol_need(v, path, source, "volumeID");
	secret_ref_name(v, path, source);
}

void sp_vol_cephfs(sp_violations *v, const sp_path *path, yyjson_mut_val *source)
{
	sp_vol_need(v, path, source, "monitors");
}

/* host:port, with brackets around hosts that hold colons. */
static bool is_host_port(sp_str s)
{
	ptrdiff_t colon = sp_str_rindex(s, ':');
	if (colon < 0)
		return false;
	sp_str host = sp_str_sub(s, 0, (size_t)colon);
	if (sp_str_starts(s, SP_STR("[")))
		return sp_str_index(s, ']') == colon - 1;
	return sp_str_index(host, ':') < 0 && sp_str_index(s, '[') < 0 && sp_str_index(s, ']') < 0;
}

void sp_vol_quobyte(sp_violations *v, const sp_path *path, yyjson_mut_val *source)
{
	static const char pairs[] = "must be a host:port pair or multiple pairs separated by commas";
	sp_str registry = sp_kv_str(source, "registry"), rest = registry, pair;
	if (registry.len == 0) {
		sp_v_required(v, SP_AT(path, "registry"), "%s", pairs);
	} else if (sp_kv_str(source, "tenant").len >= 65) {
		sp_v_required(v, SP_AT(path, "tenant"),
			      "must be a UUID and may not exceed a length of 64 characters");
	} else {
		bool more = true;
		while (more) {
			more = sp_str_cut(&rest, ',', &pair);
			if (!is_host_port(more ? pair : rest))
				sp_v_invalid(v, SP_AT(path, "registry"), registry, "%s", pairs);
		}
	}
	sp_vol_need(v, path, source, "volume");
}

void sp_vol_fc(sp_violations *v, const sp_path *path, yyjson_mut_val *source)
{
	yyjson_mut_val *wwns = sp_kv_list(source, "targetWWNs"), *wwids = sp_kv_list(source, "wwids");
	if (wwns == NULL && wwids == NULL)
		sp_v_required(v, SP_AT(path, "targetWWNs"),
			      "must specify either targetWWNs or wwids, but not both");
	if (wwns != NULL && wwids != NULL)
		sp_v_invalid(v, SP_AT(path, "targetWWNs"), wwns,
			     "targetWWNs and wwids can not be specified simultaneously");
	if (wwns == NULL)
		return;
	if (!sp_kv_has(source, "lun"))
		sp_v_required(v, SP_AT(path, "lun"), "lun is required if targetWWNs is specified");
	else
		sp_v_range(v, SP_AT(path, "lun"), sp_kv_i64(source, "lun", 0), 0, 255);
}

static bool reserved_namespace(sp_str ns)
{
	static const char *const reserved[] = {"kubernetes.io", "k8s.io"};
	for (size_t i = 0; i < SP_LEN(reserved); i++) {
		sp_str r = sp_str_c(reserved[i]);
		if (ns.len < r.len || !sp_str_eq_nocase(sp_str_sub(ns, ns.len - r.len, ns.len), r))
			continue;
		if (ns.len == r.len || ns.ptr[ns.len - r.len - 1] == '.')
			return true;
	}
	return false;
}

void sp_vol_flex(sp_violations *v, const sp_path *path, yyjson_mut_val *source)
{
	sp_vol_need(v, path, source, "driver");
	SP_KV_EACH_MEMBER (key, val, i, sp_kv_map(source, "options")) {
		(void)val;
		sp_str k = sp_jmut_str(key), rest = k, ns;
		if (reserved_namespace(sp_str_cut(&rest, '/', &ns) ? ns : k))
			sp_v_invalid(v, SP_AT_KEY(SP_AT(path, "options"), k), k,
				     "kubernetes.io and k8s.io namespaces are reserved");
	}
}

void sp_vol_azure_file(sp_violations *v, const sp_path *path, yyjson_mut_val *source)
{
	sp_vol_need(v, path, source, "secretName");
	sp_vol_need(v, path, source, "shareName");
}

void sp_vol_vsphere(sp_violations *v, const sp_path *path, yyjson_mut_val *source)
{
	sp_vol_need(v, path, source, "volumePath");
}

void sp_vol_photon(sp_violations *v, const sp_path *path, yyjson_mut_val *source)
{
	sp_vol_need(v, path, source, "pdID");
}

void sp_vol_portworx(sp_violations *v, const sp_path *path, yyjson_mut_val *source)
{
	sp_vol_need(v, path, source, "volumeID");
}

void sp_vol_azure_disk(sp_violations *v, const sp_path *path, yyjson_mut_val *source)
{
	static const char *const caching[] = {"None", "ReadOnly", "ReadWrite"};
	static const char *const kinds[] = {"Dedicated", "Managed", "Shared"};
	static const char *const managed_uri[] = {"/subscriptions/{sub-id}/resourcegroups/{group-name}/"
						  "providers/microsoft.compute/disks/{disk-id}"};
	static const char *const blob_uri[] = {
		"https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"};
	sp_str uri = sp_kv_str(source, "diskURI"), kind = sp_kv_str(source, "kind");
	sp_vol_need(v, path, source, "diskName");
	sp_vol_need(v, path, source, "diskURI");
	SP_V_ENUM_OPT(v, SP_AT(path, "cachingMode"), sp_kv_str(source, "cachingMode"), caching);
	SP_V_ENUM_OPT(v, SP_AT(path, "kind"), kind, kinds);
	bool managed = sp_str_eq(kind, SP_STR("Managed"));
	if (managed && !sp_str_starts(uri, SP_STR("/subscriptions/")))
		sp_v_not_supported(v, SP_AT(path, "diskURI"), uri, managed_uri, 1);
	if (kind.len > 0 && !managed && !sp_str_starts(uri, SP_STR("https://")))
		sp_v_not_supported(v, SP_AT(path, "diskURI"), uri, blob_uri, 1);
}

void sp_vol_storageos(sp_violations *v, const sp_path *path, yyjson_mut_val *source)
{
	sp_str name = sp_kv_str(source, "volumeName"), ns = sp_kv_str(source, "volumeNamespace");
	if (name.len == 0)
		sp_v_required(v, SP_AT(path, "volumeName"), "%s", "");
	else
		sp_v_dns1123_label(v, SP_AT(path, "volumeName"), name);
	if (ns.len > 0)
		sp_v_dns1123_label(v, SP_AT(path, "volumeNamespace"), ns);
	secret_ref_name(v, path, source);
}

void sp_vol_scaleio(sp_violations *v, const sp_path *path, yyjson_mut_val *source)
{
	sp_vol_need(v, path, source, "gateway");
	sp_vol_need(v, path, source, "system");
	sp_vol_need(v, path, source, "volumeName");
}

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static size_t n_digits(sp_str s)
{
	size_t n = 0;
	while (n < s.len && s.ptr[n] >= '0' && s.ptr[n] <= '9')
		n++;
	return n;
}

/* iqn.YYYY-MM.domain:suffix */
static bool is_iqn(sp_str s)
{
	static const char forbidden[] = ",;*&$| \t\n\f\r";
	if (!sp_str_take(&s, SP_STR("iqn.")) || n_digits(s) != 4)
		return false;
	s = sp_str_sub(s, 4, s.len);
	if (!sp_str_take(&s, SP_STR("-")) || n_digits(s) != 2)
		return false;
	s = sp_str_sub(s, 2, s.len);
	sp_str domain;
	if (!sp_str_take(&s, SP_STR(".")) || !sp_str_cut(&s, ':', &domain) || domain.len == 0 || s.len == 0)
		return false;
	for (size_t i = 0; i < domain.len; i++) {
		if (!is_alnum(domain.ptr[i]) && domain.ptr[i] != '-' && domain.ptr[i] != '.')
			return false;
	}
	for (size_t i = 0; i < s.len; i++) {
		if (memchr(forbidden, s.ptr[i], sizeof forbidden - 1) != NULL)
			return false;
	}
	return true;
}

/* A prefix, any character, and n letters or digits. */
static bool is_wwn(sp_str s, size_t n)
{
	if (s.len != 4 + n)
		return false;
	for (size_t i = 4; i < s.len; i++) {
		if (!is_alnum(s.ptr[i]))
			return false;
	}
	return true;
}

static void iscsi_name(sp_violations *v, const sp_path *path, sp_str s, bool pv)
{
	bool iqn = sp_str_starts(s, SP_STR("iqn")), eui = sp_str_starts(s, SP_STR("eui"));
	bool naa = sp_str_starts(s, SP_STR("naa"));
	if (!iqn && !eui && !naa)
		sp_v_invalid(v, path, s, "%s",
			     pv ? "must be valid format"
				: "must be valid format starting with iqn, eui, or naa");
	else if ((iqn && !is_iqn(s)) || (eui && !is_wwn(s, 16)) || (naa && !is_wwn(s, 32)))
		sp_v_invalid(v, path, s, "must be valid format");
}

static void iscsi(sp_violations *v, const sp_path *path, yyjson_mut_val *source, bool pv)
{
	sp_str iqn = sp_kv_str(source, "iqn");
	sp_vol_need(v, path, source, "targetPortal");
	if (iqn.len == 0)
		sp_v_required(v, SP_AT(path, "iqn"), "%s", "");
	else
		iscsi_name(v, SP_AT(path, "iqn"), iqn, pv);
	sp_v_range(v, SP_AT(path, "lun"), sp_kv_i64(source, "lun", 0), 0, 255);
	bool chap = sp_kv_bool(source, "chapAuthDiscovery") || sp_kv_bool(source, "chapAuthSession");
	if (chap && !sp_kv_has(source, "secretRef"))
		sp_v_required(v, SP_AT(path, "secretRef"), "%s", "");
	if (pv)
		secret_ref_name(v, path, source);
	if (sp_kv_has(source, "initiatorName"))
		iscsi_name(v, SP_AT(path, "initiatorname"), sp_kv_str(source, "initiatorName"), pv);
}

void sp_vol_iscsi(sp_violations *v, const sp_path *path, yyjson_mut_val *source)
{
	iscsi(v, path, source, false);
}

void sp_vol_iscsi_pv(sp_violations *v, const sp_path *path, yyjson_mut_val *source)
{
	iscsi(v, path, source, true);
}

void sp_csi_driver_name_validate(sp_violations *v, const sp_path *path, sp_str name)
{
	char lower[256];
	if (name.len == 0) {
		sp_v_required(v, path, "%s", "");
		return;
	}
	if (name.len > 63)
		sp_v_too_long(v, path, 63);
	sp_str cut = sp_str_sub(name, 0, sizeof lower);
	for (size_t i = 0; i < cut.len; i++) {
		char c = cut.ptr[i];
		lower[i] = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
	}
	sp_name_faults faults = sp_name_dns1123_subdomain((sp_str){lower, cut.len});
	for (size_t i = 0; i < faults.n; i++)
		sp_v_invalid(v, path, name, SP_FMT, SP_ARG(faults.items[i].text));
}
