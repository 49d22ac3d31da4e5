//! `cadmill inspect`.

use crate::bench::Bench;

const GEARBOX: &str = "ISO-10303-21;
HEADER;
FILE_DESCRIPTION(('A gearbox'),'2;1');
FILE_NAME('gearbox','2024-05-06T07:08:09',('Ada','Grace'),('Works'),'pre 1','CAD 2','');
FILE_SCHEMA(('AUTOMOTIVE_DESIGN { 1 0 10303 214 1 1 1 1 }'));
ENDSEC;
DATA;
#1=PRODUCT('gearbox','Gearbox','',());
#2=PRODUCT_DEFINITION_FORMATION('','',#1);
#3=PRODUCT_DEFINITION('','',#2,#90);
#4=PRODUCT('case','Geh\\X2\\00E4\\X0\\use','',());
#5=PRODUCT_DEFINITION_FORMATION('','',#4);
#6=PRODUCT_DEFINITION('','',#5,#90);
#7=PRODUCT('bolt\\X\\1B[31m','bolt','',());
#8=PRODUCT_DEFINITION_FORMATION('','',#7);
#9=PRODUCT_DEFINITION('','',#8,#90);
#10=NEXT_ASSEMBLY_USAGE_OCCURRENCE('1','','',#3,#6,$);
#11=NEXT_ASSEMBLY_USAGE_OCCURRENCE('2','','',#3,#9,$);
#12=NEXT_ASSEMBLY_USAGE_OCCURRENCE('3','','',#3,#9,$);
#20=( LENGTH_UNIT() NAMED_UNIT(*) SI_UNIT(.MILLI.,.METRE.) );
#21=( GLOBAL_UNIT_ASSIGNED_CONTEXT((#20)) REPRESENTATION_CONTEXT('','') );
#30=MANIFOLD_SOLID_BREP('',#31);
#31=CLOSED_SHELL('',(#32));
#32=ADVANCED_FACE('',(),#33,.T.);
#33=PLANE('',#34);
#34=AXIS2_PLACEMENT_3D('',#35,$,$);
#35=CARTESIAN_POINT('',(0.,0.,0.));
#90=PRODUCT_DEFINITION_CONTEXT('part definition',$,'design');
ENDSEC;
END-ISO-10303-21;
";

#[test]
fn what_a_file_holds_is_told_to_people() {
    let bench = Bench::new();
    bench.write("gearbox.step", GEARBOX);
    let text = bench.run(&["inspect", "gearbox.step"]).with(0).stdout;
    insta::assert_snapshot!("inspect", text);
}

#[test]
fn what_a_file_holds_is_told_to_programs() {
    let bench = Bench::new();
    bench.write("gearbox.step", GEARBOX);
    let ended = bench.run(&["inspect", "--json", "gearbox.step"]).with(0);
    insta::assert_json_snapshot!("inspect_json", ended.objects());
}

#[test]
fn a_file_that_is_refused_is_told_with_its_remedy_and_stops_no_other() {
    let bench = Bench::new();
    bench.write("gearbox.step", GEARBOX);
    bench.write("half.step", &GEARBOX[..600]);
    bench.write("empty.step", "");
    let refused = bench.run(&["inspect", "half.step", "empty.step", "missing.step"]);
    insta::assert_snapshot!("inspect_refused", refused.with(1).stdout);
    let some = bench.run(&["inspect", "--json", "half.step", "gearbox.step"]);
    let objects = some.with(3).objects();
    assert_eq!(objects[0]["failure"]["code"], "step_truncated");
    assert_eq!(objects[1]["status"], "ok");
}
