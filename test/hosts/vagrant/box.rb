# The Vagrantfile of the test's box: how its machines run where nothing is virtualised.
Vagrant.configure('2') do |config|
  config.vm.provider :libvirt do |libvirt|
    libvirt.driver = 'qemu'
    libvirt.cpu_mode = 'custom'
    libvirt.cpu_model = 'qemu64'
    libvirt.machine_type = 'q35'
    libvirt.graphics_type = 'none'
    libvirt.video_type = 'none'
    libvirt.kernel = '@DIRECTORY@/vmlinuz'
    libvirt.initrd = '@DIRECTORY@/initrd.img'
    libvirt.cmd_line = 'root=/dev/vda rw console=ttyS0 net.ifnames=0 quiet'
    # Their clocks count their instructions: see test/hosts/vm/qemu.ts.
    libvirt.qemuargs value: '-icount'
    libvirt.qemuargs value: 'shift=0'
  end
  config.vm.boot_timeout = 900
end
