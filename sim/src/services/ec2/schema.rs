//! Names of LaunchTemplateData members: as a request writes them, as an answer writes them (EC2 API 2016-11-15).
//!
//! **Invariant:** every member a client can send is in these tables and comes back in an answer; a name that is not
//! here is refused, never dropped.

use Kind::{Struct, Structs, Text, Texts, TextsAs};

/// Members of one structure: request name, answer name, what it holds.
pub(super) type Shape = &'static [(&'static str, &'static str, Kind)];

/// What a member holds.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Text,
    Struct(Shape),
    Structs(Shape),
    Texts,
    /// List of texts under another item name.
    TextsAs(&'static str),
}

pub(super) const DATA: Shape = &[
    ("KernelId", "kernelId", Text),
    ("EbsOptimized", "ebsOptimized", Text),
    ("IamInstanceProfile", "iamInstanceProfile", Struct(IAM_INSTANCE_PROFILE_SPEC)),
    ("BlockDeviceMapping", "blockDeviceMappingSet", Structs(BLOCK_DEVICE_MAPPING)),
    ("NetworkInterface", "networkInterfaceSet", Structs(INSTANCE_NETWORK_INTERFACE_SPEC)),
    ("ImageId", "imageId", Text),
    ("InstanceType", "instanceType", Text),
    ("KeyName", "keyName", Text),
    ("Monitoring", "monitoring", Struct(S_MONITORING)),
    ("Placement", "placement", Struct(PLACEMENT)),
    ("RamDiskId", "ramDiskId", Text),
    ("DisableApiTermination", "disableApiTermination", Text),
    ("InstanceInitiatedShutdownBehavior", "instanceInitiatedShutdownBehavior", Text),
    ("UserData", "userData", Text),
    ("TagSpecification", "tagSpecificationSet", Structs(TAG_SPEC)),
    ("ElasticGpuSpecification", "elasticGpuSpecificationSet", Structs(ELASTIC_GPU_SPEC)),
    ("ElasticInferenceAccelerator", "elasticInferenceAcceleratorSet", Structs(ELASTIC_INFERENCE_ACCELERATOR)),
    ("SecurityGroupId", "securityGroupIdSet", Texts),
    ("SecurityGroup", "securityGroupSet", Texts),
    ("InstanceMarketOptions", "instanceMarketOptions", Struct(INSTANCE_MARKET_OPTIONS)),
    ("CreditSpecification", "creditSpecification", Struct(CREDIT_SPEC)),
    ("CpuOptions", "cpuOptions", Struct(CPU_OPTIONS)),
    ("CapacityReservationSpecification", "capacityReservationSpecification", Struct(CAPACITY_RESERVATION_SPEC)),
    ("LicenseSpecification", "licenseSet", Structs(LICENSE_CONFIGURATION)),
    ("HibernationOptions", "hibernationOptions", Struct(HIBERNATION_OPTIONS)),
    ("MetadataOptions", "metadataOptions", Struct(INSTANCE_METADATA_OPTIONS)),
    ("EnclaveOptions", "enclaveOptions", Struct(ENCLAVE_OPTIONS)),
    ("InstanceRequirements", "instanceRequirements", Struct(INSTANCE_REQUIREMENTS)),
    ("PrivateDnsNameOptions", "privateDnsNameOptions", Struct(PRIVATE_DNS_NAME_OPTIONS)),
    ("MaintenanceOptions", "maintenanceOptions", Struct(INSTANCE_MAINTENANCE_OPTIONS)),
    ("DisableApiStop", "disableApiStop", Text),
    ("Operator", "operator", Struct(OPERATOR)),
    ("NetworkPerformanceOptions", "networkPerformanceOptions", Struct(NETWORK_PERFORMANCE_OPTIONS)),
    ("SecondaryInterface", "secondaryInterfaceSet", Structs(INSTANCE_SECONDARY_INTERFACE_SPEC)),
];
const IAM_INSTANCE_PROFILE_SPEC: Shape = &[("Arn", "arn", Text), ("Name", "name", Text)];
const BLOCK_DEVICE_MAPPING: Shape = &[
    ("DeviceName", "deviceName", Text),
    ("VirtualName", "virtualName", Text),
    ("Ebs", "ebs", Struct(EBS_BLOCK_DEVICE)),
    ("NoDevice", "noDevice", Text),
];
const EBS_BLOCK_DEVICE: Shape = &[
    ("Encrypted", "encrypted", Text),
    ("DeleteOnTermination", "deleteOnTermination", Text),
    ("Iops", "iops", Text),
    ("KmsKeyId", "kmsKeyId", Text),
    ("SnapshotId", "snapshotId", Text),
    ("VolumeSize", "volumeSize", Text),
    ("VolumeType", "volumeType", Text),
    ("Throughput", "throughput", Text),
    ("VolumeInitializationRate", "volumeInitializationRate", Text),
    ("EbsCardIndex", "ebsCardIndex", Text),
];
const INSTANCE_NETWORK_INTERFACE_SPEC: Shape = &[
    ("AssociateCarrierIpAddress", "associateCarrierIpAddress", Text),
    ("AssociatePublicIpAddress", "associatePublicIpAddress", Text),
    ("DeleteOnTermination", "deleteOnTermination", Text),
    ("Description", "description", Text),
    ("DeviceIndex", "deviceIndex", Text),
    ("SecurityGroupId", "groupSet", TextsAs("groupId")),
    ("InterfaceType", "interfaceType", Text),
    ("Ipv6AddressCount", "ipv6AddressCount", Text),
    ("Ipv6Addresses", "ipv6AddressesSet", Structs(INSTANCE_IPV6_ADDRESS)),
    ("NetworkInterfaceId", "networkInterfaceId", Text),
    ("PrivateIpAddress", "privateIpAddress", Text),
    ("PrivateIpAddresses", "privateIpAddressesSet", Structs(PRIVATE_IP_ADDRESS_SPEC)),
    ("SecondaryPrivateIpAddressCount", "secondaryPrivateIpAddressCount", Text),
    ("SubnetId", "subnetId", Text),
    ("NetworkCardIndex", "networkCardIndex", Text),
    ("Ipv4Prefix", "ipv4PrefixSet", Structs(IPV4_PREFIX_SPEC)),
    ("Ipv4PrefixCount", "ipv4PrefixCount", Text),
    ("Ipv6Prefix", "ipv6PrefixSet", Structs(IPV6_PREFIX_SPEC)),
    ("Ipv6PrefixCount", "ipv6PrefixCount", Text),
    ("PrimaryIpv6", "primaryIpv6", Text),
    ("EnaSrdSpecification", "enaSrdSpecification", Struct(ENA_SRD_SPEC)),
    ("ConnectionTrackingSpecification", "connectionTrackingSpecification", Struct(CONNECTION_TRACKING_SPEC)),
    ("EnaQueueCount", "enaQueueCount", Text),
];
const INSTANCE_IPV6_ADDRESS: Shape = &[("Ipv6Address", "ipv6Address", Text)];
const PRIVATE_IP_ADDRESS_SPEC: Shape = &[("Primary", "primary", Text), ("PrivateIpAddress", "privateIpAddress", Text)];
const IPV4_PREFIX_SPEC: Shape = &[("Ipv4Prefix", "ipv4Prefix", Text)];
const IPV6_PREFIX_SPEC: Shape = &[("Ipv6Prefix", "ipv6Prefix", Text)];
const ENA_SRD_SPEC: Shape =
    &[("EnaSrdEnabled", "enaSrdEnabled", Text), ("EnaSrdUdpSpecification", "enaSrdUdpSpecification", Struct(ENA_SRD_UDP_SPEC))];
const ENA_SRD_UDP_SPEC: Shape = &[("EnaSrdUdpEnabled", "enaSrdUdpEnabled", Text)];
const CONNECTION_TRACKING_SPEC: Shape =
    &[("TcpEstablishedTimeout", "tcpEstablishedTimeout", Text), ("UdpStreamTimeout", "udpStreamTimeout", Text), ("UdpTimeout", "udpTimeout", Text)];
const S_MONITORING: Shape = &[("Enabled", "enabled", Text)];
const PLACEMENT: Shape = &[
    ("AvailabilityZone", "availabilityZone", Text),
    ("AvailabilityZoneId", "availabilityZoneId", Text),
    ("Affinity", "affinity", Text),
    ("GroupName", "groupName", Text),
    ("HostId", "hostId", Text),
    ("Tenancy", "tenancy", Text),
    ("SpreadDomain", "spreadDomain", Text),
    ("HostResourceGroupArn", "hostResourceGroupArn", Text),
    ("PartitionNumber", "partitionNumber", Text),
    ("GroupId", "groupId", Text),
];
const TAG_SPEC: Shape = &[("ResourceType", "resourceType", Text), ("Tag", "tagSet", Structs(TAG))];
const TAG: Shape = &[("Key", "key", Text), ("Value", "value", Text)];
const ELASTIC_GPU_SPEC: Shape = &[("Type", "type", Text)];
const ELASTIC_INFERENCE_ACCELERATOR: Shape = &[("Type", "type", Text), ("Count", "count", Text)];
const INSTANCE_MARKET_OPTIONS: Shape = &[("MarketType", "marketType", Text), ("SpotOptions", "spotOptions", Struct(SPOT_MARKET_OPTIONS))];
const SPOT_MARKET_OPTIONS: Shape = &[
    ("MaxPrice", "maxPrice", Text),
    ("SpotInstanceType", "spotInstanceType", Text),
    ("BlockDurationMinutes", "blockDurationMinutes", Text),
    ("ValidUntil", "validUntil", Text),
    ("InstanceInterruptionBehavior", "instanceInterruptionBehavior", Text),
];
const CREDIT_SPEC: Shape = &[("CpuCredits", "cpuCredits", Text)];
const CPU_OPTIONS: Shape = &[
    ("CoreCount", "coreCount", Text),
    ("ThreadsPerCore", "threadsPerCore", Text),
    ("AmdSevSnp", "amdSevSnp", Text),
    ("NestedVirtualization", "nestedVirtualization", Text),
];
const CAPACITY_RESERVATION_SPEC: Shape = &[
    ("CapacityReservationPreference", "capacityReservationPreference", Text),
    ("CapacityReservationTarget", "capacityReservationTarget", Struct(CAPACITY_RESERVATION_TARGET)),
];
const CAPACITY_RESERVATION_TARGET: Shape =
    &[("CapacityReservationId", "capacityReservationId", Text), ("CapacityReservationResourceGroupArn", "capacityReservationResourceGroupArn", Text)];
const LICENSE_CONFIGURATION: Shape = &[("LicenseConfigurationArn", "licenseConfigurationArn", Text)];
const HIBERNATION_OPTIONS: Shape = &[("Configured", "configured", Text)];
const INSTANCE_METADATA_OPTIONS: Shape = &[
    ("HttpTokens", "httpTokens", Text),
    ("HttpPutResponseHopLimit", "httpPutResponseHopLimit", Text),
    ("HttpEndpoint", "httpEndpoint", Text),
    ("HttpProtocolIpv6", "httpProtocolIpv6", Text),
    ("InstanceMetadataTags", "instanceMetadataTags", Text),
];
const ENCLAVE_OPTIONS: Shape = &[("Enabled", "enabled", Text)];
const INSTANCE_REQUIREMENTS: Shape = &[
    ("VCpuCount", "vCpuCount", Struct(VCPU_COUNT_RANGE)),
    ("MemoryMiB", "memoryMiB", Struct(MEMORY_MI_B)),
    ("CpuManufacturer", "cpuManufacturerSet", Texts),
    ("MemoryGiBPerVCpu", "memoryGiBPerVCpu", Struct(MEMORY_GI_BPER_VCPU)),
    ("ExcludedInstanceType", "excludedInstanceTypeSet", Texts),
    ("InstanceGeneration", "instanceGenerationSet", Texts),
    ("SpotMaxPricePercentageOverLowestPrice", "spotMaxPricePercentageOverLowestPrice", Text),
    ("OnDemandMaxPricePercentageOverLowestPrice", "onDemandMaxPricePercentageOverLowestPrice", Text),
    ("BareMetal", "bareMetal", Text),
    ("BurstablePerformance", "burstablePerformance", Text),
    ("RequireHibernateSupport", "requireHibernateSupport", Text),
    ("NetworkInterfaceCount", "networkInterfaceCount", Struct(NETWORK_INTERFACE_COUNT)),
    ("LocalStorage", "localStorage", Text),
    ("LocalStorageType", "localStorageTypeSet", Texts),
    ("TotalLocalStorageGB", "totalLocalStorageGB", Struct(TOTAL_LOCAL_STORAGE_GB)),
    ("BaselineEbsBandwidthMbps", "baselineEbsBandwidthMbps", Struct(BASELINE_EBS_BANDWIDTH_MBPS)),
    ("AcceleratorType", "acceleratorTypeSet", Texts),
    ("AcceleratorCount", "acceleratorCount", Struct(ACCELERATOR_COUNT)),
    ("AcceleratorManufacturer", "acceleratorManufacturerSet", Texts),
    ("AcceleratorName", "acceleratorNameSet", Texts),
    ("AcceleratorTotalMemoryMiB", "acceleratorTotalMemoryMiB", Struct(ACCELERATOR_TOTAL_MEMORY_MI_B)),
    ("NetworkBandwidthGbps", "networkBandwidthGbps", Struct(NETWORK_BANDWIDTH_GBPS)),
    ("AllowedInstanceType", "allowedInstanceTypeSet", Texts),
    ("MaxSpotPriceAsPercentageOfOptimalOnDemandPrice", "maxSpotPriceAsPercentageOfOptimalOnDemandPrice", Text),
    ("BaselinePerformanceFactors", "baselinePerformanceFactors", Struct(BASELINE_PERFORMANCE_FACTORS)),
    ("RequireEncryptionInTransit", "requireEncryptionInTransit", Text),
];
const VCPU_COUNT_RANGE: Shape = &[("Min", "min", Text), ("Max", "max", Text)];
const MEMORY_MI_B: Shape = &[("Min", "min", Text), ("Max", "max", Text)];
const MEMORY_GI_BPER_VCPU: Shape = &[("Min", "min", Text), ("Max", "max", Text)];
const NETWORK_INTERFACE_COUNT: Shape = &[("Min", "min", Text), ("Max", "max", Text)];
const TOTAL_LOCAL_STORAGE_GB: Shape = &[("Min", "min", Text), ("Max", "max", Text)];
const BASELINE_EBS_BANDWIDTH_MBPS: Shape = &[("Min", "min", Text), ("Max", "max", Text)];
const ACCELERATOR_COUNT: Shape = &[("Min", "min", Text), ("Max", "max", Text)];
const ACCELERATOR_TOTAL_MEMORY_MI_B: Shape = &[("Min", "min", Text), ("Max", "max", Text)];
const NETWORK_BANDWIDTH_GBPS: Shape = &[("Min", "min", Text), ("Max", "max", Text)];
const BASELINE_PERFORMANCE_FACTORS: Shape = &[("Cpu", "cpu", Struct(CPU_PERFORMANCE_FACTOR))];
const CPU_PERFORMANCE_FACTOR: Shape = &[("Reference", "referenceSet", Structs(PERFORMANCE_FACTOR_REFERENCE))];
const PERFORMANCE_FACTOR_REFERENCE: Shape = &[("InstanceFamily", "instanceFamily", Text)];
const PRIVATE_DNS_NAME_OPTIONS: Shape = &[
    ("HostnameType", "hostnameType", Text),
    ("EnableResourceNameDnsARecord", "enableResourceNameDnsARecord", Text),
    ("EnableResourceNameDnsAAAARecord", "enableResourceNameDnsAAAARecord", Text),
];
const INSTANCE_MAINTENANCE_OPTIONS: Shape = &[("AutoRecovery", "autoRecovery", Text)];
const OPERATOR: Shape = &[("Principal", "principal", Text)];
const NETWORK_PERFORMANCE_OPTIONS: Shape = &[("BandwidthWeighting", "bandwidthWeighting", Text)];
const INSTANCE_SECONDARY_INTERFACE_SPEC: Shape = &[
    ("DeleteOnTermination", "deleteOnTermination", Text),
    ("DeviceIndex", "deviceIndex", Text),
    ("PrivateIpAddress", "privateIpAddressesSet", Structs(SECONDARY_INTERFACE_PRIVATE_IP_ADDRESS_SPEC)),
    ("PrivateIpAddressCount", "privateIpAddressCount", Text),
    ("SecondarySubnetId", "secondarySubnetId", Text),
    ("InterfaceType", "interfaceType", Text),
    ("NetworkCardIndex", "networkCardIndex", Text),
];
const SECONDARY_INTERFACE_PRIVATE_IP_ADDRESS_SPEC: Shape = &[("PrivateIpAddress", "privateIpAddress", Text)];
